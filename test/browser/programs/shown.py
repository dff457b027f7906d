"""What a run's page has to show: a tree with groups, logs, failures and retries, reports."""
import asyncio
import os

import flyte
import flyte.report

env = flyte.TaskEnvironment(name="shown")


@env.task
async def clean(x: int) -> int:
    print("clean", x, flush=True)
    return x + 1


@env.task
async def train(x: int) -> int:
    return await clean(x) + await clean(x + 1)


@env.task(report=True)
async def nested(n: int = 3) -> int:
    print("line one of the parent\n<b>not bold</b> \x1b[31mred\x1b[0m & done", flush=True)
    with flyte.group("first batch"):
        first = await asyncio.gather(*[train(i) for i in range(n)])
    await flyte.report.replace.aio("<h1>All trained</h1><table border=1><tr><td>loss</td><td>0.01</td></tr></table>")
    await flyte.report.flush.aio()
    return sum(first)


@env.task
async def breaks(x: int) -> int:
    print("about to break", flush=True)
    raise ValueError(f"the <input> {x} & its friends\nare not what they should be")


@env.task(retries=1)
async def fails(x: int = 1) -> int:
    return await breaks(await clean(x))


@env.task
async def waits(path: str) -> int:
    """Runs until the file is there."""
    print("waiting", flush=True)
    while not os.path.exists(path):
        await asyncio.sleep(0.1)
    return 1


@env.task
async def running(path: str) -> int:
    print("the parent waits for its child", flush=True)
    return await waits(path)


@env.task(report=True)
async def reports(html: str) -> int:
    await flyte.report.replace.aio(html)
    await flyte.report.flush.aio()
    return 0


@env.task
async def asks(url: str) -> bool:
    webhook = flyte.ConditionWebhook(url=url, payload={"at": "{callback_uri}"})
    condition = await flyte.new_condition.aio("sure", prompt="Are you sure?", data_type=bool, webhook=webhook)
    return await condition.wait.aio()
