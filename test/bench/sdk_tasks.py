"""Tasks through the real SDK: sdk_tasks.py noop COUNT | fanout COUNT | sleepers RUNS CHILDREN. Prints one line of JSON."""
import asyncio
import json
import statistics
import sys
import time
from datetime import timedelta

import flyte
from flyte.extras import Sleep

env = flyte.TaskEnvironment(name="bench")


@env.task
async def noop(i: int) -> int:
    return i


@env.task
async def fanout(n: int) -> int:
    return sum(await asyncio.gather(*(noop(i) for i in range(n))))


# These run inside the server: what is measured is the control plane.
leaves = flyte.TaskEnvironment(name="leaves", plugin_config=Sleep())
parents = flyte.TaskEnvironment(name="parents", depends_on=[leaves])


@leaves.task
async def leaf(duration: timedelta) -> None:
    return None


@parents.task
async def sleepers(n: int) -> int:
    await asyncio.gather(*(leaf(duration=timedelta(seconds=1)) for _ in range(n)))
    return n


async def run_sleepers(runs, children):
    made = await asyncio.gather(*(flyte.run.aio(sleepers, n=children) for _ in range(runs)))
    await asyncio.gather(*(r.wait.aio(quiet=True) for r in made))
    assert [(await r.outputs.aio())[0] for r in made] == [children] * runs


def run_one(task, **inputs):
    """Milliseconds from the run's creation to its end, by the server's clock."""
    run = flyte.run(task, **inputs)
    run.wait(quiet=True)
    run = flyte.remote.Run.get(run.name)
    assert run.phase.value.lower() == "succeeded" if hasattr(run.phase, "value") else "succeeded" in str(run.phase).lower(), run.phase
    status = run.action.pb2.status
    return (status.end_time.ToNanoseconds() - status.start_time.ToNanoseconds()) / 1e6


def main():
    what, count = sys.argv[1], int(sys.argv[2])
    flyte.init_from_config()
    if what == "noop":
        run_one(noop, i=0)
        times = [run_one(noop, i=i) for i in range(count)]
        print(json.dumps({"p50_ms": statistics.median(times), "all_ms": times}))
    elif what == "sleepers":
        runs, children = count, int(sys.argv[3])
        run_one(noop, i=0)
        begin = time.monotonic()
        asyncio.run(run_sleepers(runs, children))
        print(json.dumps({"runs": runs, "children": children, "seconds": time.monotonic() - begin}))
    else:
        run_one(noop, i=0)
        begin = time.monotonic()
        ms = run_one(fanout, n=count)
        print(json.dumps({"children": count, "seconds": ms / 1e3, "client_seconds": time.monotonic() - begin}))


if __name__ == "__main__":
    import flyte.remote
    main()
