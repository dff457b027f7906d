"""kill -9 of the server at every fault point during a fan-out."""
import os

import pytest
from flyte.remote import Run

import fan
import world

N = int(os.environ.get("TERN_FAULT_FAN", "20"))
LARGE = 10 * N
# Where, and at which passes: the first of its kind, one in the middle of the fan-out, one near its end. "a@b" counts the
# passes of a after the first one of b: lane.after_commit@run.created is the moment between the commit of CreateRun and
# its reply.
POINTS = {
    "run.created": [1],
    "lane.before_commit@run.created": [1, 2, N],
    "lane.after_commit@run.created": [1, 2, N],
    "child.enqueued": [1, N // 2, N],
    "lane.before_commit@child.enqueued": [1, N // 2],
    "lane.after_commit@child.enqueued": [1, N // 2],
    "engine.before_launch": [1, 2, N // 2, N + 1],
    "engine.after_launch": [1, 2, N // 2, N + 1],
    "engine.before_exit": [1, N // 4],
    "engine.after_exit": [1, N // 4],
}
QUICK = {("lane.after_commit@run.created", 1)}
CASES = [pytest.param(point, at, id=f"{point}-{at}", marks=[pytest.mark.quick] if (point, at) in QUICK else [])
         for point, passes in POINTS.items() for at in passes]


def kill_at(w, point, at, n):
    w.start_with_fault(f"{point}:{at}=kill")
    keeper = w.keep()
    r = w.submit(fan.out, n=n)
    w.assert_succeeded(r, n)
    assert keeper.ended == [-9], f"the point {point} was passed less than {at} times"
    assert [x.name for x in Run.listall()] == [r.name], "a retried CreateRun made another run"


@pytest.mark.parametrize("point,at", CASES)
def test_server_is_killed_at(make_world, point, at):
    kill_at(make_world(start=False), point, at, N)


@pytest.mark.parametrize("point", POINTS)
def test_server_is_killed_in_a_large_fan_out(make_world, point):
    """Once for each point, a quarter of the way where the point is passed that often."""
    kill_at(make_world(start=False), point, LARGE // 4 if len(POINTS[point]) > 1 else 1, LARGE)


@pytest.mark.parametrize("point", ["lane.before_commit", "lane.after_commit"])
def test_server_is_killed_while_it_starts(make_world, point):
    """The first commit is the start's own."""
    w = make_world(start=False)
    with pytest.raises(RuntimeError, match="-9"):
        w.start_with_fault(f"{point}=kill")
    w.start()
    w.assert_value(w.submit(fan.nothing), 7)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("point", ["supervisor.before_journal", "supervisor.after_journal"])
def test_supervisor_is_killed_at(make_world, point, at):
    """Around the write that makes a start or an end durable. What was journaled and not let go never ran: its status is
    unknown and it is tried again; nothing runs twice under one number."""
    n = 3
    w = make_world(start=False, args=["--exec.local.cpus", str(n + 1)])
    w.start_with_fault(f"{point}:{at}=kill")  # the supervisor inherits it
    doomed = w.supervisor_pid()
    w.kill()
    w.restart()
    assert w.supervisor_pid() == doomed
    r = w.submit(fan.out, n=n)
    w.assert_value(r, sum(range(n)))
    assert not world.alive(doomed), f"the point {point} was passed less than {at} times"
    actions, ran = w.actions(r.name), w.attempts()
    assert {phase for phase, _ in actions.values()} == {"succeeded"} and len(actions) == n + 1
    for name, attempts in ran.items():
        assert len(attempts) == len(set(attempts)), f"{name} ran as {attempts}"
        assert max(attempts) + 1 == actions[name][1], f"{name} ran as {attempts}, the API says {actions[name]}"
    assert sum(told for _, told in actions.values()) <= 2 * (n + 1)
