"""What a task can reach in the object store: its keys, files of other projects, reused results."""
import asyncio
import os
import uuid

import flyte
from flyte.io import File

env = flyte.TaskEnvironment(name="storage")


def own_keys() -> list[str]:
    return [os.environ[name] for name in ("FLYTE_AWS_ENDPOINT", "FLYTE_AWS_ACCESS_KEY_ID",
                                          "FLYTE_AWS_SECRET_ACCESS_KEY", "_U_RUN_BASE")]


@env.task
async def keys() -> list[str]:
    return own_keys()


@env.task
async def keys_while(path: str) -> list[str]:
    """Runs until the file is gone."""
    with open(path + ".keys", "w") as f:
        f.write("\n".join(own_keys()))
    while os.path.exists(path):
        await asyncio.sleep(0.05)
    return own_keys()


async def new_file(text: str) -> File:
    path = f"{uuid.uuid4().hex}.txt"
    with open(path, "w") as f:
        f.write(text)
    return await File.from_local(path)


async def content(f: File) -> str:
    async with f.open("rb") as fh:
        return bytes(await fh.read()).decode()


@env.task
async def make_file(text: str) -> File:
    return await new_file(text)


@env.task
async def read_file(f: File) -> str:
    return await content(f)


@env.task(cache=flyte.Cache(behavior="override", version_override="v1"))
async def cached_file(name: str) -> File:
    return await new_file(f"{name} of {flyte.ctx().action.run_name}")


@env.task
async def read_cached(name: str) -> str:
    """The result, which may be another project's, read here and by a child."""
    f = await cached_file(name)
    text = await content(f)
    assert await read_file(f) == text
    return text


@env.task
async def read_uri(uri: str) -> str:
    """A URI that only this code knows to be one."""
    return await content(File.from_existing_remote(uri.replace("+", "/").replace("s3:", "s3:/", 1)))
