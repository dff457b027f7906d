"""Errors, retries, timeouts, memory."""
import asyncio
import atexit
import os
import time
from datetime import timedelta

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="failures", resources=flyte.Resources(cpu=1, memory="300Mi"))


def attempt() -> int:
    return int(os.environ.get("FLYTE_ATTEMPT_NUMBER", "0"))


@env.task
async def raises(text: str) -> int:
    raise ValueError(f"bad {text}")


@env.task
async def catches() -> str:
    try:
        await raises("apple")
    except flyte.errors.RuntimeUserError as e:
        return f"{e.code}|{e}"
    return "nothing caught"


@env.task(retries=2)
async def third_time() -> int:
    if attempt() < 2:
        raise RuntimeError(f"attempt {attempt()} fails")
    return attempt()


@env.task(retries=1)
async def never() -> int:
    raise RuntimeError(f"attempt {attempt()} fails")


@env.task(retries=3)
async def hopeless() -> int:
    raise flyte.errors.NonRecoverableError("no use")


@env.task(retries=flyte.RetryStrategy(count=3, backoff=flyte.Backoff(
    base=timedelta(seconds=1), factor=2.0, cap=timedelta(seconds=3))))
async def backs_off() -> int:
    if attempt() < 2:
        raise RuntimeError("again")
    return attempt()


@env.task
async def eats_memory() -> int:
    block = bytearray(900 * 1024 * 1024)
    for i in range(0, len(block), 4096):
        block[i] = 1
    return len(block)


@env.task
async def catches_oom() -> str:
    try:
        await eats_memory()
    except flyte.errors.OOMError as e:
        return f"oom:{e.code}"
    return "no oom"


@env.task
async def exits(status: int) -> int:
    for i in range(12):
        print("step", i, "\x1b[31mred\x1b[0m", flush=True)
    print("x" * 100_000 if status > 7 else "", end="", flush=True)
    os._exit(status)


@env.task
async def killed() -> int:
    os.kill(os.getpid(), 9)
    return 0


@env.task
async def crashes_at_its_end() -> int:
    atexit.register(os.abort)
    return 7


@env.task(timeout=flyte.Timeout(max_runtime=timedelta(seconds=2)))
async def too_long() -> int:
    time.sleep(60)
    return 1


@env.task(timeout=flyte.Timeout(deadline=timedelta(seconds=4)), retries=10)
async def past_deadline() -> int:
    await asyncio.sleep(1)
    raise RuntimeError("again")


gpu = flyte.TaskEnvironment(name="gpu", resources=flyte.Resources(cpu=1, gpu="A100:1"))


@gpu.task
async def needs_gpu() -> int:
    return 1


@env.task
async def catches_timeout() -> str:
    try:
        await too_long()
    except Exception as e:
        return f"{type(e).__name__}|{getattr(e, 'code', '')}"
    return "no timeout"
