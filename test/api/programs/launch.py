"""What a run's start decides: environment, resources, retries, cache, time."""
import asyncio
import os
import pathlib
import time

import flyte

env = flyte.TaskEnvironment(name="launch")


@env.task
async def grandchild(names: list[str]) -> dict[str, str]:
    return {n: os.environ.get(n, "") for n in names}


@env.task
async def child(names: list[str]) -> dict[str, dict[str, str]]:
    return {"child": {n: os.environ.get(n, "") for n in names}, "grandchild": await grandchild(names)}


@env.task
async def tree(names: list[str]) -> dict[str, dict[str, str]]:
    return {"root": {n: os.environ.get(n, "") for n in names}, **await child(names)}


@env.task
async def fills_memory(mib: int) -> int:
    block = bytearray(mib << 20)
    for i in range(0, len(block), 4096):
        block[i] = 1
    await asyncio.sleep(1)
    return mib


@env.task(cache="auto")
async def now(key: str) -> float:
    return time.time()


@env.task
async def flaky(folder: str) -> int:
    """Fails until the file says that it was tried often enough; the number of tries."""
    path = pathlib.Path(folder) / "tries"
    tries = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(tries))
    if tries < 3:
        raise RuntimeError("not yet")
    return tries


@env.task
async def sleeps(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@env.task
async def tries_overrides(folder: str) -> dict[str, str]:
    """Of children: what a call overrides, nobody has registered."""
    got = {"tries": str(await flaky.override(retries=flyte.RetryStrategy(count=5))(folder)),
           "env": (await grandchild.override(env_vars={"MINE": "call"})(["MINE"]))["MINE"]}
    try:
        await sleeps.override(timeout=1)(60.0)
    except flyte.errors.BaseRuntimeError as e:
        got["timeout"] = e.code
    try:
        await fills_memory.override(resources=flyte.Resources(cpu=1, memory="150Mi"))(600)
    except flyte.errors.OOMError as e:
        got["memory"] = e.code
    return got
