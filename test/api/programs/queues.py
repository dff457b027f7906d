"""Tasks that write down when they run, for tests of queues."""
import asyncio
import os
import pathlib

import flyte

env = flyte.TaskEnvironment(name="queues")


def say(witness: str, line: str):
    """One write to the end: lines of many processes stay whole, in the order in which they were written."""
    fd = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


@env.task
async def leaf(witness: str, who: str, together: int) -> None:
    """Ends when that many have begun, so that as many run at once as may."""
    say(witness, f"+{who}")
    while pathlib.Path(witness).read_text().count(f"+{who}\n") < together:
        await asyncio.sleep(0.02)
    say(witness, f"-{who}")


@env.task
async def fan(witness: str, who: str, count: int, together: int) -> None:
    await asyncio.gather(*[leaf(witness, who, together) for _ in range(count)])


@env.task
async def dive(depth: int) -> int:
    return 1 + await dive(depth - 1) if depth else 0


@env.task
async def held(witness: str, who: str) -> None:
    """Until the file is there."""
    say(witness, f"+{who}")
    while not pathlib.Path(f"{witness}.go").exists():
        await asyncio.sleep(0.02)
    say(witness, f"-{who}")


@env.task
async def fan_held(witness: str, who: str, count: int) -> None:
    await asyncio.gather(*[held(witness, who) for _ in range(count)])


@env.task
def families(witness: str, parents: int, count: int) -> None:
    """A map of fans, whose leaves wait for nobody."""
    whose = [f"p{i}" for i in range(parents)]
    list(flyte.map(fan, [witness] * parents, whose, [count] * parents, [1] * parents))
