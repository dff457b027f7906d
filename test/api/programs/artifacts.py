"""Tasks that produce and use artifacts."""
import datetime

import flyte
import flyte.artifacts
import flyte.io
import flyte.remote
from flyte.artifacts import Metadata

HAVE_PARTITIONS = hasattr(Metadata, "partitions")  # older SDKs know neither these nor parents
env = flyte.TaskEnvironment(name="artifacts")


async def file_of(text):
    with open("made.txt", "w") as f:
        f.write(text)
    return await flyte.io.File.from_local("made.txt")


@env.task(produces_artifacts=True)
async def makes(name: str, text: str, version: str = "") -> flyte.io.File:
    parted = {"partitions": {"date": datetime.date(2026, 8, 1), "region": "eu"}, "parents": ("0",)} if HAVE_PARTITIONS else {}
    md = Metadata(name=name, version=version or None, description="made by a task", kind="model", attrs={"size": "small"},
                  **parted)
    return flyte.artifacts.new(await file_of(text), md)


@env.task
async def plain(text: str) -> flyte.io.File:
    return await file_of(text)


@env.task
async def parent(name: str, text: str) -> flyte.io.File:
    """What it declares for its child's output is an artifact, and it publishes one by hand."""
    with flyte.artifacts.produces(o0=Metadata(name=name)):
        made = await plain.override(produces_artifacts=True)(text=text)
    await flyte.remote.Artifact.create.aio(made, name=name + ".by-hand", version="1")
    return made


@env.task
async def reads(file: flyte.io.File) -> str:
    async with file.open("rb") as f:
        return bytes(await f.read()).decode()


@env.task(cache="auto", produces_artifacts=True)
async def cached(name: str) -> flyte.io.File:
    return flyte.artifacts.new(await file_of("cached"), Metadata(name=name))


@env.task(produces_artifacts=True)
async def wrong(name: str) -> tuple[flyte.io.File, flyte.io.File]:
    """The second output's artifact has the version that the first one took."""
    return (flyte.artifacts.new(await file_of("one"), Metadata(name=name, version="1")),
            flyte.artifacts.new(await file_of("two"), Metadata(name=name, version="1")))
