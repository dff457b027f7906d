"""Small workflows: plain values, nesting, map, groups, determinism."""
import asyncio
import os

import flyte

env = flyte.TaskEnvironment(name="basic")


@env.task
def square(x: int) -> int:
    return x * x


@env.task
def main(n: int = 3) -> int:
    return sum(flyte.map(square, range(n)))


@env.task
async def add(a: int, b: int) -> int:
    return a + b


@env.task
async def nested(n: int) -> int:
    total = 0
    for i in range(n):
        total = await add(total, i)
    return total


@env.task
async def grouped(n: int) -> list[int]:
    with flyte.group("first"):
        first = await asyncio.gather(*[add(i, 0) for i in range(n)])
    with flyte.group("second"):
        second = await asyncio.gather(*[add(i, 100) for i in range(n)])
    return list(first) + list(second)


@env.task
async def same_call_twice(x: int) -> list[int]:
    return list(await asyncio.gather(*[add(x, 1) for _ in range(4)]))


@env.task
async def nothing(text: str):
    print("nothing:", text, flush=True)


@env.task
def environment(names: list[str]) -> dict[str, str]:
    return {n: os.environ.get(n, "") for n in names}


@env.task
async def recur(depth: int) -> int:
    return 0 if depth == 0 else 1 + await recur(depth - 1)


@env.task
async def context_child() -> dict[str, str]:
    return dict(flyte.ctx().custom_context)


@env.task
async def context_parent() -> dict[str, str]:
    with flyte.custom_context(colour="green"):
        return await context_child()


@env.task
async def slow(seconds: float) -> float:
    print("slow starts", flush=True)
    await asyncio.sleep(seconds)
    print("slow ends", flush=True)
    return seconds


@env.task
async def cancels(seconds: float) -> str:
    task = asyncio.create_task(slow(seconds))
    await asyncio.sleep(3)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "finished"


@env.task
async def outlives(seconds: float) -> str:
    try:
        await slow(seconds)
    except Exception as e:
        return f"outlived {type(e).__name__}"
    return "finished"
