"""kill -9 at every fault point during a fan-out of 200.

After the restart the run succeeds, each action ran exactly its attempts (the witness file, which is not Tern's, says what
really ran), no action is lost, and a CreateRun that is sent again makes no second run. A kill is a pass of a point, never
a moment on a clock.
"""
import re

import pytest
from flyte.remote import Run

import fan
import harness
import world

N = 200
SMALL = 10

# point: the passes that kill. N actions below a parent make N or N + 1 passes, or as many batches as there were. "a@b"
# counts the passes of a after the first one of b: lane.after_commit@run.created is the moment between the commit of
# CreateRun and its reply, lane.after_commit@child.enqueued that of the Enqueue of a child.
SERVER = {
    # the parent is being made
    "run.created": [1],
    "lane.before_commit@run.created": [1],
    "lane.after_commit@run.created": [1],
    # the parent runs, children are queued
    "child.enqueued": [1, N],
    "lane.before_commit@child.enqueued": [1, N // 2],
    "lane.after_commit@child.enqueued": [1, N // 2],
    # the parent (pass 1) and children begin
    "engine.before_launch": [1, N // 2],
    "engine.after_launch": [1, 2, N + 1],
    # children have ended
    "engine.before_exit": [1, N // 2],
    "engine.after_exit": [1, N // 2],
    "child.ended": [1, N],
    "lane.before_commit@child.ended": [1],
    "lane.after_commit@child.ended": [1],
    # the parent has ended, and with it the run
    "run.ended": [1],
    "lane.before_commit@run.ended": [1],
    "lane.after_commit@run.ended": [1],
}
SUPERVISOR = {
    "supervisor.before_journal": [1, N],
    "supervisor.after_journal": [2, N],
    "supervisor.released": [1, N // 2],
    "supervisor.reaped": [1, N // 2, N + 1],
}
# Of the S3 endpoint that the supervisor keeps: what tasks store. The server stores the run's inputs through the same code.
OBJECTS = {
    "object.before_commit": [N // 2],
    "object.after_commit": [N // 2],
}
START = ["lane.before_commit", "lane.after_commit"]
# Before the start of a task is durable the task does not run, so what ended with such a kill is another attempt.
NEVER_RAN = {"supervisor.before_journal", "supervisor.after_journal"}


def cases(points):
    return [pytest.param(point, at, id=f"{point}-{at}") for point, passes in points.items() for at in passes]


def assert_one_run(r):
    assert [x.name for x in Run.listall()] == [r.name], "a retried CreateRun made another run"


def kill_server_at(w, point, at, n):
    w.start_with_fault(f"{point}:{at}=kill")
    keeper = w.keep()
    r = w.submit(fan.out, n=n)
    w.assert_succeeded(r, n)
    assert keeper.ended == [-9], f"the point {point} was passed less than {at} times"
    assert_one_run(r)


def start_doomed_supervisor(w, fault):
    """What the supervisor inherited the server that stays has not."""
    w.start_with_fault(fault)
    doomed = w.supervisor_pid()
    w.kill()
    w.start(listen="localhost:0")  # as before: an idle supervisor gives way to a server with other settings
    assert w.supervisor_pid() == doomed
    return doomed


def kill_supervisor_at(w, point, at, n):
    doomed = start_doomed_supervisor(w, f"{point}:{at}=kill")
    r = w.submit(fan.out, n=n)
    w.assert_succeeded(r, n, unknown=point in NEVER_RAN)
    assert not world.alive(doomed), f"the point {point} was passed less than {at} times"
    assert_one_run(r)


def kill_s3_at(w, point, at, n):
    """Every endpoint of that supervisor ends at that pass, so several do."""
    start_doomed_supervisor(w, f"{point}:{at}=kill")
    first = w.s3_pid()
    r = w.submit(fan.out, n=n)
    w.assert_succeeded(r, n)
    assert not world.alive(first), f"the point {point} was passed less than {at} times"
    assert_one_run(r)


@pytest.mark.points
@pytest.mark.parametrize("point,at", cases(SERVER))
def test_server_is_killed_at(make_world, point, at):
    kill_server_at(make_world(start=False), point, at, N)


@pytest.mark.points
@pytest.mark.parametrize("point", OBJECTS)
def test_server_is_killed_while_it_stores_at(make_world, point):
    w = make_world()
    w.kill()  # the endpoint that stays has no faults
    w.endpoint = None  # any port, as before: an idle supervisor gives way to a server with other settings
    kill_server_at(w, point, 1, N)


@pytest.mark.points
@pytest.mark.parametrize("point,at", cases(SUPERVISOR))
def test_supervisor_is_killed_at(make_world, point, at):
    kill_supervisor_at(make_world(start=False), point, at, N)


@pytest.mark.points
@pytest.mark.parametrize("point,at", cases(OBJECTS))
def test_s3_is_killed_at(make_world, point, at):
    kill_s3_at(make_world(start=False), point, at, N)


@pytest.mark.quick
@pytest.mark.parametrize("point,at", [("lane.after_commit@run.created", 1), ("lane.after_commit@child.enqueued", 3),
                                      ("engine.after_launch", 4)])
def test_server_is_killed_in_a_small_fan_out(make_world, point, at):
    kill_server_at(make_world(start=False), point, at, SMALL)


@pytest.mark.quick
def test_supervisor_is_killed_in_a_small_fan_out(make_world):
    kill_supervisor_at(make_world(start=False), "supervisor.reaped", 2, SMALL)


@pytest.mark.quick
@pytest.mark.parametrize("point", START)
def test_server_is_killed_while_it_starts(make_world, point):
    """The first commit is the start's own."""
    w = make_world(start=False)
    with pytest.raises(RuntimeError, match="-9"):
        w.start_with_fault(f"{point}=kill")
    w.start()
    w.assert_value(w.submit(fan.nothing), 7)


@pytest.mark.quick
def test_every_point_is_in_a_table():
    """A point that somebody adds is killed at, too."""
    text = "".join(p.read_text() for p in (harness.ROOT / "src").rglob("*.c") if p.name != "fault.c")
    calls = re.findall(r"fault_point\((.*?)\);", text)
    there = {name for call in calls for name in re.findall(r'"([\w.]+)"', call)}
    assert len(there) >= len(calls) > 0
    listed = {name for table in (SERVER, SUPERVISOR, OBJECTS, START) for point in table for name in point.split("@")}
    assert there == listed
