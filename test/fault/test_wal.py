"""The write-ahead log under steady writes (D-15): it is moved into the database while clients write, so its file stays small
however much goes through it."""
import time

import pytest

import load
import world

START = 8 << 20  # at which the log is moved, src/lane/checkpoint.c
# What may come while it is being moved, and before the writer moves the rest.
MOST = 4 * START
WRITTEN = 4 * MOST
RUNS = 2000


def written(pid):
    """Bytes that a process has written so far."""
    for line in world.read(f"/proc/{pid}/io").decode().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} is gone")


@pytest.mark.quick
def test_the_log_stays_small_under_steady_writes(make_world):
    w = make_world()
    log = w.data / "tern.db-wal"
    before, calls, sizes = written(w.process.pid), 0, set()

    def look():
        sizes.add(log.stat().st_size)
        time.sleep(0.005)

    with world.Meanwhile(look):
        while written(w.process.pid) - before < WRITTEN:
            calls += load.run(w, "create", "--count", RUNS, "--seed", calls)["calls"]
    went_through = written(w.process.pid) - before
    print(f"{calls} runs, {went_through >> 20} MiB written, the log had {max(sizes) >> 20} MiB at most")
    assert START <= max(sizes) <= MOST
    assert log.stat().st_size <= MOST
    assert w.terminate() == 0
    assert not log.exists() or log.stat().st_size == 0
