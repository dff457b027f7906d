"""The server is asked to end while tasks run: SIGTERM, `tern stop` and `tern stop --tasks`."""
import json

import pytest

import wire
import world
from test_kills import ARGS, N, Fan, pid_of


def pids(f):
    return [pid_of(line) for line in (f.parent, *f.leaves)]


def watch(w, name):
    """A stream of the run's actions, of which the first message has come."""
    stream = wire.Watch(w.endpoint, wire.RUNS + "WatchActions", {"runId": wire.run_id(name)})
    assert stream.next()
    return stream


def last_words(stream):
    """The error code of the stream's end, None when there is none; a stream that is cut off raises."""
    ends = [payload for flags, payload in wire.frames(stream.answer.read()) if flags & 2]
    assert len(ends) == 1, ends
    return json.loads(ends[0]).get("error", {}).get("code")


def go_on(f):
    """After a stop that left the tasks alone: they live, and the next server finds them."""
    assert all(map(world.alive, pids(f)))
    assert wire.phase(f.world.restart().endpoint, f.run.name) == "ACTION_PHASE_RUNNING"
    assert all(map(world.alive, pids(f)))
    f.finish()


@pytest.mark.quick
def test_sigterm_while_tasks_run_and_a_stream_is_open(make_world):
    f = Fan(make_world(args=ARGS))
    with watch(f.world, f.run.name) as stream:
        assert f.world.terminate() == 0
        assert last_words(stream) in (None, "unavailable")
    go_on(f)


def test_stop_leaves_the_tasks(make_world):
    f = Fan(make_world(args=ARGS))
    assert "tasks go on" in f.world.command("stop").stdout
    assert f.world.process.wait(20) == 0
    go_on(f)


@pytest.mark.quick
def test_stop_with_the_tasks(make_world):
    """The tasks are gone when it returns, soon everything of the folder; the next server runs them again, as after any
    interruption."""
    f = Fan(make_world(args=ARGS))
    before = pids(f)
    assert "tasks go on" not in f.world.command("stop", "--tasks").stdout
    assert f.world.process.wait(20) == 0
    assert not any(map(world.alive, before))
    # The warm pool sees the end of the supervisor by itself, when it has imported what it was at.
    world.eventually("end of everything", lambda: not f.world.processes())
    f.world.restart()
    f.world.wait_lines("leaf", 2 * N)
    f.finish(attempts={name: 2 for name in ["a0", *(line[1] for line in f.leaves)]})
