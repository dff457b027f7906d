"""Tasks whose end, or whose question, is told to somebody."""
import asyncio
from datetime import timedelta

import flyte

env = flyte.TaskEnvironment(name="notifying")

# What would break out of JSON, HTML, a URL or a header if it were not escaped.
NASTY = 'it said "no" \\ <b>&</b> 100% {{.Run.Name}} \u00fcml\nsecond line'


@env.task
def good(x: int = 1) -> int:
    return x


@env.task
def bad(x: int = 1) -> int:
    raise ValueError(NASTY)


@env.task(timeout=flyte.Timeout(deadline=timedelta(seconds=1)))
async def too_slow() -> int:
    await asyncio.sleep(600)
    return 0


@env.task
async def asking(url: str) -> int:
    condition = await flyte.new_condition.aio(
        "howmany", prompt="How <many>?", description="of them", data_type=int,
        webhook=flyte.ConditionWebhook(
            url=url, payload={"text": ["answer at {callback_uri}", {"to": "{callback_uri}"}], "n": 7}))
    return await condition.wait.aio()
