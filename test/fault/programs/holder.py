"""A task that tells its storage keys and runs until it is let go."""
import asyncio
import os

import flyte

env = flyte.TaskEnvironment(name="holder")


@env.task
async def hold(path: str) -> str:
    with open(path + ".new", "w") as f:
        f.write("\n".join(os.environ[name] for name in ("FLYTE_AWS_ENDPOINT", "FLYTE_AWS_ACCESS_KEY_ID",
                                                        "FLYTE_AWS_SECRET_ACCESS_KEY", "_U_RUN_BASE")))
    os.rename(path + ".new", path)
    while not os.path.exists(path + ".go"):
        await asyncio.sleep(0.05)
    return "let go"
