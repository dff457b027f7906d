"""A time without a server: tasks go on, store their results and end; the next server misses nothing (D-13)."""
import time

import pytest

import fan
import world
from test_kills import ARGS, Fan, pid_of


# The short form in `make test`; five minutes outlast every retry of the SDK's storage client.
@pytest.mark.parametrize("seconds", [pytest.param(20, id="20s", marks=pytest.mark.quick), pytest.param(300, id="5min")])
def test_children_end_without_a_server(make_world, seconds):
    f = Fan(make_world(args=ARGS))
    f.world.kill()
    f.open()
    for line in f.leaves:
        world.eventually("end of a leaf", lambda: not world.alive(pid_of(line)))
    time.sleep(seconds)  # this is the time without a server
    assert world.alive(pid_of(f.parent)), "the parent waits for the server"
    f.world.restart()
    f.finish()


def test_parent_ends_without_a_server(make_world):
    f = Fan(make_world(args=ARGS), parent_gate=True)
    f.open()
    f.world.wait_lines("joined", 1)
    f.world.kill()
    f.open_parent()
    world.eventually("end of the parent", lambda: not world.alive(pid_of(f.parent)))
    f.world.restart()
    f.finish()


def test_queued_children_wait_for_the_next_server(make_world):
    """With one CPU most of the fan-out is only queued when the server goes."""
    w = make_world(args=["--exec.local.cpus", "1"])
    r = w.submit(fan.out, n=6, gate=str(w.folder / "gate"))
    w.wait_lines("leaf", 1)
    w.kill()
    (w.folder / "gate").touch()
    w.restart()
    w.assert_succeeded(r, 6)
