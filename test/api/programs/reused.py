"""An environment with a reuse policy, and module state that an action would find again were its process kept."""
import os
import pathlib

import flyte

env = flyte.TaskEnvironment(name="reused", reusable=flyte.ReusePolicy(replicas=1, concurrency=1, idle_ttl=60))
seen: list[int] = []


@env.task
async def remember(x: int) -> dict[str, str]:
    seen.append(x)
    command = pathlib.Path("/proc/self/cmdline").read_bytes()  # of the process it was forked from
    return {"seen": str(seen), "pid": str(os.getpid()), "start": "warm" if b"zygote.py" in command else "cold"}


@env.task
async def remembers(n: int) -> list[dict[str, str]]:
    """One after another: the one replica is free each time."""
    return [await remember(i) for i in range(n)]
