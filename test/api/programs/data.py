"""Files, directories, frames and large values through the object store."""
import os
import tempfile

import flyte
import pandas as pd
import pyarrow as pa
from flyte.io import DataFrame, Dir, File

env = flyte.TaskEnvironment(name="data")


@env.task
async def write_file(text: str) -> File:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.txt")
        with open(path, "w") as f:
            f.write(text)
        return await File.from_local(path)


@env.task
async def read_file(f: File) -> str:
    async with f.open("rb") as fh:
        return bytes(await fh.read()).decode()


@env.task
async def file_round_trip(text: str) -> str:
    return await read_file(await write_file(text))


@env.task
async def write_dir(n: int) -> Dir:
    folder = tempfile.mkdtemp()
    for i in range(n):
        with open(os.path.join(folder, f"f{i}.txt"), "w") as f:
            f.write(str(i))
    return await Dir.from_local(folder)


@env.task
async def sum_dir(d: Dir) -> int:
    total = 0
    async for f in d.walk():
        async with f.open("rb") as fh:
            total += int(bytes(await fh.read()))
    return total


@env.task
async def dir_round_trip(n: int) -> int:
    return await sum_dir(await write_dir(n))


@env.task
async def frame(n: int) -> DataFrame:
    return DataFrame.from_df(pd.DataFrame({"n": range(n), "sq": [i * i for i in range(n)]}))


@env.task
async def frame_sum(df: DataFrame) -> int:
    table = await df.open(pd.DataFrame).all()
    return int(table["sq"].sum())


@env.task
async def frame_round_trip(n: int) -> int:
    return await frame_sum(await frame(n))


@env.task
async def table(n: int) -> pa.Table:
    return pa.table({"n": list(range(n)), "text": [f"row {i}" for i in range(n)]})


@env.task
async def table_sum(t: pa.Table) -> list[str]:
    return [str(sum(t.column("n").to_pylist())), t.column("text")[-1].as_py()]


@env.task
async def frame_as_table(df: DataFrame) -> int:
    """What pandas has written, pyarrow reads."""
    return sum((await df.open(pa.Table).all()).column("sq").to_pylist())


@env.task
async def tables(n: int) -> list[str]:
    return [*await table_sum(await table(n)), str(await frame_as_table(await frame(n)))]


@env.task
async def big_file(megabytes: int) -> File:
    f = File.new_remote()
    async with f.open("wb") as fh:
        for _ in range(megabytes):
            await fh.write(b"m" * (1 << 20))
    return f


@env.task
async def size_of(f: File) -> int:
    async with f.open("rb") as fh:
        return len(bytes(await fh.read()))


@env.task
async def big_round_trip(megabytes: int) -> int:
    return await size_of(await big_file(megabytes))
