"""A fan-out whose tasks write down what really ran, in a file that does not belong to Tern.

A line is: what, action, attempt, pid, boot id, index. It is synced before the task goes on. A leaf that is given a gate
waits for that file, so a test decides, without clocks, what runs when something is killed.
"""
import asyncio
import os

import flyte

env = flyte.TaskEnvironment(name="fan")


def note(what: str, index: int = -1) -> None:
    boot = open("/proc/sys/kernel/random/boot_id").read().strip()
    line = f"{what} {flyte.ctx().action.name} {os.environ.get('FLYTE_ATTEMPT_NUMBER', '0')} {os.getpid()} {boot} {index}\n"
    fd = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line.encode())
    os.fsync(fd)
    os.close(fd)


async def pass_gate(path: str) -> None:
    while path and not os.path.exists(path):
        await asyncio.sleep(0.05)


@env.task
async def leaf(i: int, gate: str) -> int:
    note("leaf", i)
    await pass_gate(gate)
    return i


@env.task
async def out(n: int, gate: str = "", parent_gate: str = "") -> int:
    note("parent")
    values = await asyncio.gather(*[leaf(i, gate) for i in range(n)])
    note("joined")
    await pass_gate(parent_gate)
    return sum(values)


@flyte.trace
async def step(i: int) -> int:
    note("step", i)
    return i


@env.task
async def walk(n: int, stop_at: int, gate: str) -> int:
    """Traced steps, one after the other, with a gate before one of them."""
    note("parent")
    total = 0
    for i in range(n):
        if i == stop_at:
            note("between")
            await pass_gate(gate)
        total += await step(i)
    return total


@env.task
async def nothing() -> int:
    return 7
