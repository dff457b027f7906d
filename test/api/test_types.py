"""Values of every kind survive the way through tasks."""
import data
import types_


def test_all_types(run):
    assert run(types_.all_types).outputs()[0] == "all equal"


def test_large_output_and_input(run):
    assert len(run(types_.big, n=3_000_000).outputs()[0]) == 3_000_000
    assert run(types_.long_text, text="y" * 2_000_000).outputs()[0] == 2_000_000


def test_file(run):
    assert run(data.file_round_trip, text="hello file").outputs()[0] == "hello file"


def test_dir(run):
    assert run(data.dir_round_trip, n=6).outputs()[0] == 15


def test_dataframe(run):
    assert run(data.frame_round_trip, n=100).outputs()[0] == sum(i * i for i in range(100))


def test_pyarrow(run):
    assert run(data.tables, n=10).outputs()[0] == ["45", "row 9", "285"]


def test_multipart_file(run):
    assert run(data.big_round_trip, megabytes=40).outputs()[0] == 40 << 20


def test_notebook_process_opens_outputs(run, tern, tmp_path):
    """A second process with the variables of `tern env` opens File, Dir and DataFrame outputs (D-11)."""
    import subprocess
    import sys
    names = {"f": run(data.write_file, text="for the notebook").name, "d": run(data.write_dir, n=4).name,
             "df": run(data.frame, n=10).name}
    env = tern.env()
    for line in tern.command("env", "--aws").stdout.splitlines():
        if line.startswith("export "):
            key, _, value = line[len("export "):].partition("=")
            env[key] = value.strip("'\"")
    assert "FLYTE_AWS_ENDPOINT" in env
    script = f"""
import asyncio, flyte, flyte.io, pandas as pd, pyarrow as pa
from flyte.remote import Run
flyte.init(endpoint="{tern.endpoint}", insecure=True, project="flytesnacks", domain="development")
async def main():
    f = (await (await Run.get.aio("{names['f']}")).outputs.aio())[0]
    async with f.open("rb") as fh:
        print("FILE", bytes(await fh.read()).decode())
    d = (await (await Run.get.aio("{names['d']}")).outputs.aio())[0]
    print("DIR", len([x async for x in d.walk()]))
    df = (await (await Run.get.aio("{names['df']}")).outputs.aio())[0]
    print("FRAME", int((await df.open(pd.DataFrame).all())["sq"].sum()))
    print("TABLE", sum((await df.open(pa.Table).all()).column("sq").to_pylist()))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "FILE for the notebook" in done.stdout and "DIR 4" in done.stdout and "FRAME 285" in done.stdout, \
        done.stdout + done.stderr
    assert "TABLE 285" in done.stdout, done.stdout
