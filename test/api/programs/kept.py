"""Tasks for tests of retention."""
import pathlib

import flyte
import flyte.io

env = flyte.TaskEnvironment(name="kept")
named = flyte.TaskEnvironment(name="named", image="registry.example.org/named:1")


@env.task
async def works(text: str) -> str:
    pathlib.Path("left-behind.txt").write_text(text)
    print("it says", text)
    return text


@env.task
async def fails() -> str:
    pathlib.Path("left-behind.txt").write_text("for whoever looks why")
    raise ValueError("as expected")


@named.task
async def in_an_image() -> str:
    return "done"


@env.task
async def reads(file: flyte.io.File) -> str:
    async with file.open("rb") as f:
        return bytes(await f.read()).decode()
