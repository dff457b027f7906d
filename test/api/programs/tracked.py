"""Tasks that run on this machine and are reported (flyte run --local --tracked)."""
import asyncio
import os
import pathlib

import flyte
import flyte.report

env = flyte.TaskEnvironment(name="tracked")


@flyte.trace
async def traced(x: int) -> int:
    return x + 1


@env.task
async def double(x: int) -> int:
    return 2 * await traced(x)


@env.task(retries=2)
async def flaky(marker: str) -> str:
    """Fails once, and leaves a file."""
    path = pathlib.Path(marker)
    if not path.exists():
        path.write_text("once")
        raise ValueError("the first time")
    return "the second time"


@env.task
async def tree(n: int) -> list[int]:
    return list(await asyncio.gather(*(double(x=i) for i in range(n))))


@env.task
async def fails(text: str) -> str:
    raise ValueError(text)


@env.task(report=True)
async def reports(text: str) -> str:
    for i in range(2):
        await flyte.report.replace.aio(f"<p>{text} {i}</p>")
        await flyte.report.flush.aio()
    return text


@env.task
async def waits(started: str) -> str:
    pathlib.Path(started).write_text(str(os.getpid()))
    await asyncio.sleep(600)
    return "never"
