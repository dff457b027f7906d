"""Everything that waits for a time: limits, delays before a retry, gates. Notes go to the witness as in fan.py."""
import asyncio
import os
from datetime import timedelta

import flyte
import flyte.errors
from fan import note, pass_gate

env = flyte.TaskEnvironment(name="clocked", include=["fan.py"])


def attempt() -> int:
    return int(os.environ.get("FLYTE_ATTEMPT_NUMBER", "0"))


@env.task
async def waits(i: int, gate: str) -> int:
    note("leaf", i)
    await pass_gate(gate)
    return i


@env.task(timeout=flyte.Timeout(max_runtime=timedelta(minutes=30), deadline=timedelta(minutes=40)))
async def patient(gate: str) -> str:
    """Limits that an hour more would break."""
    note("patient")
    await pass_gate(gate)
    return "in time"


@env.task(timeout=flyte.Timeout(max_runtime=timedelta(minutes=1)))
async def overlong() -> str:
    await asyncio.sleep(7200)
    return "not stopped"


@env.task(retries=flyte.RetryStrategy(count=1, backoff=flyte.Backoff(base=timedelta(minutes=1))))
async def again() -> str:
    note("again")
    if attempt() == 0:
        raise RuntimeError("the first time")
    return "the second time"


@env.task(retries=flyte.RetryStrategy(count=1, backoff=flyte.Backoff(base=timedelta(minutes=20))))
async def again_much_later() -> str:
    note("later")
    if attempt() == 0:
        raise RuntimeError("the first time")
    return "the second time"


async def after(gate: str, task):
    """The task is started when the gate is open."""
    await pass_gate(gate)
    return await task()


async def outcome(call) -> str:
    try:
        return str(await call)
    except flyte.errors.BaseRuntimeError as e:
        return e.code


@env.task
async def stepped(n: int, late: str, gate: str) -> list[str]:
    """For a wall clock that is set."""
    note("parent")
    calls = [after(late, overlong), after(late, again), patient(gate), *(waits(i, gate) for i in range(n))]
    return list(await asyncio.gather(*map(outcome, calls)))


@env.task
async def suspended(gate: str) -> list[str]:
    """For a machine that sleeps for an hour."""
    note("parent")
    calls = [patient(gate), again_much_later(), waits(0, gate)]
    return list(await asyncio.gather(*map(outcome, calls)))
