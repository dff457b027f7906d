"""Tasks that run when a run has failed."""
import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Optional

import flyte

env = flyte.TaskEnvironment(name="handlers", env_vars={"TERN_ON_FAILURE": "tell"}, resources=flyte.Resources(cpu="200m", memory="200Mi"))

by_hand = flyte.Trigger(name="by-hand", automation=flyte.Cron("0 0 1 1 *"), auto_activate=False, inputs={"n": 5},
                        env_vars={"TERN_ON_FAILURE": "nobody"})


@env.task(triggers=by_hand)
async def fails(n: int, text: str = "a default") -> int:
    if n:
        raise ValueError(f"bad {n}")
    return n


@env.task
async def tell(error: str, n: int, also: str = "of the handler", nothing: Optional[int] = None) -> str:
    return f"{n} {also} {nothing} {error}"


@dataclass
class Failure:
    code: str
    phase: str
    run: str


@env.task
async def look(error: Failure, text: str) -> str:
    return f"{error.code} {error.phase} {error.run} {text}"


@env.task
async def sleeps(seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


@env.task(timeout=flyte.Timeout(deadline=timedelta(seconds=1)))
async def too_slow(text: str = "a default") -> int:
    return await sleeps(600)


@env.task
async def has_children(seconds: int) -> int:
    await asyncio.gather(*(sleeps(seconds) for _ in range(3)))
    return seconds


@env.task
async def step(i: int) -> int:
    return i


@env.task
async def cleans_up(error: dict) -> str:
    return f"{error['message']} {await step(1) + await step(2)}"


@env.task
async def fails_too(error: str) -> None:
    raise RuntimeError(error)


@env.task
async def wants_more(error: str, unknown: int) -> None:
    pass
