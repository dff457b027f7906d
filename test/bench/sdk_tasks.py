"""No-op tasks through the real SDK: sdk_tasks.py noop COUNT | fanout COUNT. Prints one line of JSON."""
import asyncio
import json
import statistics
import sys
import time

import flyte

env = flyte.TaskEnvironment(name="bench")


@env.task
async def noop(i: int) -> int:
    return i


@env.task
async def fanout(n: int) -> int:
    return sum(await asyncio.gather(*(noop(i) for i in range(n))))


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
    else:
        run_one(noop, i=0)
        begin = time.monotonic()
        ms = run_one(fanout, n=count)
        print(json.dumps({"children": count, "seconds": ms / 1e3, "client_seconds": time.monotonic() - begin}))


if __name__ == "__main__":
    import flyte.remote
    main()
