"""Traces, checkpoints, caching, conditions, reports, recovery."""
import asyncio
import os
import random
from typing import List

import flyte
import flyte.errors
import flyte.report

env = flyte.TaskEnvironment(name="durable")


def attempt() -> int:
    return int(os.environ.get("FLYTE_ATTEMPT_NUMBER", "0"))


def note(line: str) -> None:
    """Appends to the file that the test named: what really ran."""
    path = os.environ.get("WITNESS")
    if path:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, (line + "\n").encode())
        os.fsync(fd)
        os.close(fd)


@flyte.trace
async def step(i: int) -> int:
    note(f"step {i}")
    return i * 10


@env.task(retries=3)
async def traced(n: int, crash_at: int) -> int:
    total = 0
    for i in range(n):
        total += await step(i)
        if i == crash_at and attempt() == 0:
            raise flyte.errors.RuntimeSystemError("simulated", "the parent goes down")
    return total


@flyte.trace
def double(x: int) -> int:
    return 2 * x


@env.task
def sum_doubles(n: int) -> int:
    return sum(double(i) for i in range(n))


@env.task(retries=3)
def counts(n: int) -> int:
    checkpoint = flyte.ctx().checkpoint
    path = checkpoint.load_sync()
    start = int(path.read_bytes()) if path else 0
    every = n // 3
    for i in range(start, n):
        if i > start and i % every == 0:
            raise RuntimeError(f"failed at {i}")
        checkpoint.save_sync(str(i + 1).encode())
    return start


@env.task(cache=flyte.Cache(behavior="override", version_override="v1"))
async def cached(x: int) -> int:
    note(f"cached {x}")
    return random.randint(1, 10**9)


@env.task(cache=flyte.Cache(behavior="override", version_override="v1"))
async def cached_fails(x: int) -> int:
    note(f"cached {x}")
    raise ValueError("not today")


@env.task(cache=flyte.Cache(behavior="override", version_override="v1", serialize=True))
async def cached_serial(x: int) -> int:
    note(f"serial {x}")
    await asyncio.sleep(1)
    return random.randint(1, 10**9)


@env.task
async def calls_cached(x: int) -> list[int]:
    return [await cached(x), await cached(x)]


@env.task
async def calls_serial(x: int, n: int) -> list[int]:
    return list(await asyncio.gather(*[cached_serial(x) for _ in range(n)]))


@env.task
async def approves(x: int) -> int:
    condition = await flyte.new_condition.aio("approval", prompt="Go on?", data_type=bool)
    return x + 1 if await condition.wait.aio() else -1


@env.task
async def asks_number() -> int:
    condition = await flyte.new_condition.aio("number", prompt="Which?", data_type=int)
    return await condition.wait.aio()


@env.task(report=True)
async def reports() -> int:
    await flyte.report.replace.aio("<h1>the report</h1><p>42</p>")
    await flyte.report.flush.aio()
    return 42


@env.task
async def prep(i: int) -> int:
    note(f"prep {i}")
    return i * i


@env.task
async def join(values: List[int]) -> int:
    note("join")
    if os.environ.get("JOIN_OK") != "1":
        raise RuntimeError("JOIN_OK is not set")
    return sum(values)


@env.task
async def pipeline(n: int = 4) -> int:
    return await join(list(await asyncio.gather(*[prep(i) for i in range(n)])))


@env.task
async def leaf(i: int, seconds: float) -> int:
    note(f"leaf {i} {attempt()} {os.getpid()} {flyte.ctx().action.name}")
    await asyncio.sleep(seconds)
    return i


@env.task
async def fan_out(n: int, seconds: float = 0.0) -> int:
    note(f"parent {attempt()} {os.getpid()}")
    return sum(await asyncio.gather(*[leaf(i, seconds) for i in range(n)]))
