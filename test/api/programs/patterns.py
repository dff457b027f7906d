"""What the SDK's own examples show, one section each, as small as it still shows it."""
import asyncio
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Iterator, List

import flyte
import flyte.durable
import flyte.errors
import flyte.report
from durable import note
from flyte.io import Dir, File

env = flyte.TaskEnvironment(name="patterns")


def attempt() -> int:
    return int(os.environ.get("FLYTE_ATTEMPT_NUMBER", "0"))


# ---- map --------------------------------------------------------------------------------------------------------------


@env.task
async def odd_async(x: int) -> str:
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return f"Task {x}"


@env.task
def odd_sync(x: int) -> str:
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return f"Task {x}"


def text_of(result) -> str:
    return f"error {result.code}" if isinstance(result, Exception) else result


@env.task
async def maps_async(n: int) -> List[str]:
    return [text_of(r) async for r in flyte.map.aio(odd_async, range(n), return_exceptions=True)]


@env.task
def maps_sync(n: int) -> List[str]:
    return [text_of(r) for r in flyte.map(odd_sync, range(n), return_exceptions=True)]


@env.task
async def maps_sync_from_async(n: int) -> List[str]:
    return [text_of(r) async for r in flyte.map.aio(odd_sync, range(n), return_exceptions=True)]


# ---- grouping ---------------------------------------------------------------------------------------------------------


@env.task
async def twice(x: int) -> int:
    return 2 * x


@env.task
async def inner_groups(n: int) -> List[int]:
    with flyte.group("inner"):
        return list(await asyncio.gather(*[twice(i) for i in range(n)]))


@env.task
async def groups(n: int) -> List[int]:
    """Calls are made first and awaited in groups: the group of the await counts."""
    calls = {"even": [], "odd": []}
    for i in range(n):
        calls["odd" if i % 2 else "even"].append(twice(i))
    with flyte.group("even-group"):
        even = await asyncio.gather(*calls["even"])
    with flyte.group("odd-group"):
        odd = await asyncio.gather(*calls["odd"])
    with flyte.group("nested"):
        await inner_groups(2)
    return [*even, *odd]


# ---- trace_sync -------------------------------------------------------------------------------------------------------


@flyte.trace
def doubled(x: int) -> int:
    return x * 2


@flyte.trace
def counted(n: int) -> Iterator[int]:
    yield from range(n)


@env.task
def sync_traces(n: int) -> int:
    total = 0
    with flyte.group("sum"):
        for i in range(n):
            total += doubled(i)
    for i in counted(n):
        total += doubled(i)
    return total


# ---- exception_handling -----------------------------------------------------------------------------------------------

small = flyte.TaskEnvironment(name="small", resources=flyte.Resources(cpu=1, memory="250Mi"))


@small.task
async def takes(megabytes: int) -> int:
    block = bytearray(megabytes << 20)
    for i in range(0, len(block), 4096):
        block[i] = 1
    return megabytes


@small.task
async def fails(x: int) -> int:
    raise ValueError(f"This always fails {x}")


@small.task
async def recovers() -> List[str]:
    seen = []
    try:
        await fails(1)
    except flyte.errors.RuntimeUserError as e:
        seen.append(e.code)
    try:
        await takes(500)
    except flyte.errors.OOMError as e:
        seen.append(e.code)
        seen.append(str(await takes.override(resources=flyte.Resources(cpu=1, memory="900Mi"))(500)))
    return seen


# ---- determinism ------------------------------------------------------------------------------------------------------


@env.task(retries=2)
async def same_time() -> None:
    stamp, now = await flyte.durable.time.aio(), await flyte.durable.now.aio()
    note(f"async {stamp} {now:%H:%M:%S.%f}")
    await flyte.durable.sleep.aio(1)
    if attempt() == 0:
        raise flyte.errors.RuntimeSystemError("simulated", "after the sleep")


@env.task(retries=2)
def same_time_sync() -> None:
    note(f"sync {flyte.durable.time()} {flyte.durable.now():%H:%M:%S.%f}")
    flyte.durable.sleep(1)
    if attempt() == 0:
        raise flyte.errors.RuntimeSystemError("simulated", "after the sleep")


@env.task
async def determinism() -> None:
    await asyncio.gather(same_time(), same_time_sync.aio())


# ---- repeated_tasks ---------------------------------------------------------------------------------------------------


@env.task
async def forty_two() -> int:
    return 42


@env.task
async def repeats(n: int) -> int:
    return sum(await asyncio.gather(*[forty_two() for _ in range(n)]))


# ---- file -------------------------------------------------------------------------------------------------------------


@env.task
async def new_file(text: str) -> File:
    f = File.new_remote()
    async with f.open("wb") as fh:
        for i in range(0, len(text), 10):
            await fh.write(text[i:i + 10].encode())
    return f


@env.task
async def local_file(text: str) -> File:
    path = Path(tempfile.mkdtemp()) / "local.txt"
    path.write_text(text)
    return await File.from_local(str(path))


@env.task
async def file_facts(f: File) -> List[str]:
    """Read whole, in small blocks, by download, and through a second reference."""
    async with f.open("rb") as fh:
        whole = bytes(await fh.read()).decode()
    parts = []
    async with f.open("rb", block_size=10) as fh:
        while chunk := await fh.read():
            parts.append(bytes(chunk))
    downloaded = Path(await f.download()).read_text()
    again = File.from_existing_remote(f.path)
    async with again.open("rb") as fh:
        other = bytes(await fh.read()).decode()
    assert f.exists_sync() and not File(path=f.path + "-not-there").exists_sync()
    return [whole, b"".join(parts).decode(), downloaded, other]


@env.task
async def files(text: str) -> List[str]:
    return await file_facts(await new_file(text)) + await file_facts(await local_file(text))


# ---- dir --------------------------------------------------------------------------------------------------------------


@env.task
async def new_dir() -> Dir:
    """a, b, sub/c, sub/deep/d"""
    root = Path(tempfile.mkdtemp())
    for name in ("a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"in {name}")
    return await Dir.from_local(str(root))


@env.task
async def dir_facts(d: Dir) -> dict[str, List[str]]:
    found = {"listed": [f.name for f in await d.list_files() if f.name in ("a.txt", "b.txt")],
             "depth 1": [f.name async for f in d.walk(recursive=True, max_depth=1)],
             "depth 2": [f.name async for f in d.walk(recursive=True, max_depth=2)],
             "all": [f.name async for f in d.walk(recursive=True)]}
    here = await d.download(tempfile.mkdtemp())
    found["downloaded"] = [str(p.relative_to(here)) for p in Path(here).rglob("*") if p.is_file()]
    one = await d.get_file("b.txt")
    async with one.open("rb") as fh:
        found["get"] = [bytes(await fh.read()).decode()]
    again = Dir.from_existing_remote(d.path)
    found["exists"] = [str(await d.exists()), str(await again.exists()), str(await d.get_file("no.txt"))]
    return {k: sorted(v) for k, v in found.items()}


@env.task
async def dirs() -> dict[str, List[str]]:
    return await dir_facts(await new_dir())


# ---- offloaded_type_basic_usage ---------------------------------------------------------------------------------------


@env.task
async def downloads(f: File, d: Dir) -> List[str]:
    """Where a download lands: a path of its own, a name, a folder that is there, one that is not."""
    os.chdir(tempfile.mkdtemp())
    there = tempfile.mkdtemp()
    own, named = await f.download(), await f.download("new_parent/named.txt")
    inside, fresh = await f.download(there), await f.download("new_parent2/")
    assert all(Path(p).read_text() == "payload" for p in (own, named, inside, fresh))
    assert Path(inside).parent == Path(there) and Path(fresh).parent.name == "new_parent2"
    folder = await d.download("new_parent/folder")
    return [str(Path(named).relative_to(Path.cwd())) if Path(named).is_absolute() else named,
            *sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())]


@env.task
async def offloads() -> List[str]:
    return await downloads(await local_file("payload"), await new_dir())


# ---- streaming_reports ------------------------------------------------------------------------------------------------


@env.task(report=True)
async def streams_report(until: str) -> int:
    """Grows until the file is there."""
    n = 0
    await flyte.report.log.aio("<h1>begin</h1>", do_flush=True)
    while not os.path.exists(until):
        n += 1
        await flyte.report.log.aio(f"<p>step {n}</p>", do_flush=True)
        await asyncio.sleep(0.2)
    await flyte.report.log.aio("<h1>the end</h1>", do_flush=True)
    return n


# ---- custom_context ---------------------------------------------------------------------------------------------------


@env.task
async def adds_context(x: int) -> int:
    seen = flyte.ctx().custom_context
    return x + int(seen["increment"]) + len(seen.get("trace_id", ""))


@env.task
async def contexts(x: int) -> List[int]:
    values = []
    for i in range(3):
        with flyte.custom_context(increment=str(i)):
            values.append(await adds_context(x))
    return values


# ---- cancel_tasks -----------------------------------------------------------------------------------------------------


# All of them run at once, and leave room for the one that fails.
light = flyte.TaskEnvironment(name="light", resources=flyte.Resources(cpu="100m", memory="200Mi"))


@light.task
async def sleeper(seconds: float, n: int) -> None:
    await asyncio.sleep(seconds)


@env.task
async def cancels_all(n: int) -> str:
    sleepers = [asyncio.create_task(sleeper(300.0, i)) for i in range(n)]
    await asyncio.sleep(1)
    try:
        await fails(0)
    except flyte.errors.RuntimeUserError as e:
        for s in sleepers:
            s.cancel()
        return e.code
    return "nothing failed"


# ---- conditions -------------------------------------------------------------------------------------------------------


@env.task
async def two_conditions(x: int) -> int:
    first = await flyte.new_condition.aio("approval", prompt="Go on?", data_type=bool)
    second = await flyte.new_condition.aio("review", prompt="## Really?", prompt_type="markdown", data_type=bool)
    return await twice(x) if await first.wait.aio() and await second.wait.aio() else -1


# ---- content_based_caching --------------------------------------------------------------------------------------------

by_content = flyte.Cache(behavior="override", version_override="v1")


@env.task(cache=by_content)
async def size_of_file(f: File) -> int:
    note("file")
    async with f.open("rb") as fh:
        return len(bytes(await fh.read()))


@env.task(cache=by_content)
async def size_of_dir(d: Dir) -> int:
    note("dir")
    return len(await d.list_files())


@env.task
async def same_hash(key: str) -> List[int]:
    """Other bytes, same hash: the second call of each is answered from the cache."""
    sizes = []
    for i in (1, 2):
        root = Path(tempfile.mkdtemp())
        for k in range(i):
            (root / f"{k}.txt").write_text("x" * i)
        sizes.append(await size_of_file(await File.from_local(str(root / "0.txt"), hash_method=f"f-{key}")))
        sizes.append(await size_of_dir(await Dir.from_local(str(root), dir_cache_key=f"d-{key}")))
    return sizes


# ---- retry_and_timeout, queued_timeout --------------------------------------------------------------------------------


@env.task(timeout=flyte.Timeout(max_runtime=timedelta(minutes=10), max_queued_time=timedelta(minutes=5),
                                deadline=timedelta(minutes=30)))
async def bounded() -> str:
    return "done"


whole = flyte.TaskEnvironment(name="whole", resources=flyte.Resources(cpu=1))


@whole.task
async def holds(seconds: float) -> None:
    await asyncio.sleep(seconds)


@whole.task(timeout=flyte.Timeout(max_queued_time=timedelta(seconds=2)))
async def waits_in_line() -> int:
    return 1


# ---- crash_recovery_trace ---------------------------------------------------------------------------------------------


@flyte.trace
async def traced(x: int) -> int:
    note(f"traced {x}")
    return x


@env.task(retries=10)
async def crashes(n: int, every: int) -> int:
    values = []
    with flyte.group("sequential"):
        for i in range(n):
            values.append(await traced(x=i))
            if i == (attempt() + 1) * every and attempt() < 3:
                raise flyte.errors.RuntimeSystemError("simulated", f"attempt {attempt()} at {i}")
    return sum(values)


# ---- recur ------------------------------------------------------------------------------------------------------------


@flyte.trace
async def dive(x: int, depth: int) -> int:
    return x if x == depth else await dive(x + 1, depth)


@env.task
async def recurs(depth: int) -> int:
    return await dive(0, depth)


@env.task
async def recurs_outside(depth: int) -> int:
    return await recurs(depth + 1)
