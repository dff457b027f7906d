"""Clocks that jump under a run (D-08): the wall clock is set by an hour, the machine sleeps for an hour."""
import datetime
import json
import mmap
import os
import signal
import struct

import pytest

import clocked
import disk
import fan
import wire
import world
from wall_clock import WallClock

LEAVES = 3
# Cold tasks: what is preloaded into a warm one reads the variables of the pool, not the task's.
COLD = ["--exec.local.warm_pool=false"]
ROOM = ["--exec.local.cpus", str(LEAVES + 4), *COLD]
HOUR_NS = 3600 * 10**9
ACTION = wire.RUNS + "GetActionDetails"


# ---- what is asked of every run -------------------------------------------------------------------------------------

def when(text):
    """RFC 3339 to nanoseconds: Python's datetime keeps microseconds only."""
    text, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def spans(message, path=""):
    """(where, start, end) of everything in the message that has both."""
    if isinstance(message, list):
        for i, item in enumerate(message):
            yield from spans(item, f"{path}[{i}]")
    if isinstance(message, dict):
        if "startTime" in message and "endTime" in message:
            yield path, when(message["startTime"]), when(message["endTime"])
        for key, item in message.items():
            yield from spans(item, f"{path}.{key}")


def details(w, run, action):
    a = wire.call(w.endpoint, ACTION, {"actionId": {"run": wire.run_id(run), "name": action}})
    assert a.status == 200, a
    return a.json["details"]


def assert_times(w, run):
    """Nothing ends before it starts, and the phases of an attempt follow each other."""
    for action in w.actions(run):
        d = details(w, run, action)
        found = list(spans(d, action))
        assert found, d
        for where, start, end in found:
            assert end >= start, f"{where} ends before it starts: {d}"
        for attempt in d["attempts"]:
            starts = [when(p["startTime"]) for p in attempt.get("phaseTransitions", [])]
            assert starts and starts == sorted(starts), attempt
        assert int(d["status"].get("durationMs", 0)) < HOUR_NS * 2 // 10**6, d["status"]


def listed(w, rpc, scope):
    a = wire.call(w.endpoint, wire.RUNS + rpc, {**scope, "request": {"limit": 100}})
    assert a.status == 200, a
    return a.json["runs" if rpc == "ListRuns" else "actions"]


def run_names(w):
    return [r["action"]["id"]["run"]["name"] for r in listed(w, "ListRuns", {"projectId": wire.PROJECT})]


def action_names(w, run):
    return [a["id"]["name"] for a in listed(w, "ListActions", {"runId": wire.run_id(run)})]


class Followed:
    """A watch of the run, opened before the clock jumps: read to its end afterwards."""

    def __init__(self, w, run):
        self.watch = wire.Watch(w.endpoint, wire.RUNS + "WatchRunDetails", {"runId": wire.run_id(run)})
        self.first = self.watch.next()

    def finish(self):
        updated = []
        with self.watch as stream:
            while True:
                status = stream.next()["details"]["action"]["status"]
                updated.append(status)
                if status["phase"] == "ACTION_PHASE_SUCCEEDED":
                    break
        ends = [when(s["endTime"]) for s in updated if "endTime" in s]
        assert ends and ends[0] >= when(updated[-1]["startTime"])


# ---- the wall clock is set ------------------------------------------------------------------------------------------

def wall_clock(w):
    """The same for the server, the supervisor, the S3 endpoint and every task."""
    clock = WallClock(w.folder, w.binary)
    w.extra_env.update(clock.env)
    return clock


def start_stepped(w, clock):
    """A run in which everything that waits for a time is waiting."""
    w.task_env = clock.env
    late, gate = w.folder / "late", w.folder / "gate"
    r = w.submit(clocked.stepped, n=LEAVES, late=str(late), gate=str(gate))
    w.wait_lines("leaf", LEAVES)
    w.wait_lines("patient", 1)
    late.touch()  # what has a minute from now on
    again = w.wait_lines("again", 1)[0][1]
    world.eventually("the delay before the retry", lambda: details(w, r.name, again)["status"]["attempts"] == 2)
    return r, gate, named(w, r.name, "overlong")


def named(w, run, task):
    """The action of the task with that name."""
    (found,) = [a["id"]["name"] for a in listed(w, "ListActions", {"runId": wire.run_id(run)})
                if task in json.dumps(a["metadata"])]
    return found


@pytest.mark.parametrize("restart", [False, True], ids=["", "restart"])
@pytest.mark.parametrize("step", [3600, -3600], ids=["ahead", "back"])
def test_the_wall_clock_is_set(make_world, step, restart):
    """With a restart, too: it makes the engine look at everything that is open."""
    w = make_world(start=False, args=ROOM)
    clock = wall_clock(w)
    w.start()
    earlier = w.submit(fan.nothing)
    w.assert_value(earlier, 7)
    r, gate, overlong = start_stepped(w, clock)
    runs, actions = run_names(w), action_names(w, r.name)
    assert wire.create_run(w.endpoint, wire.sleeper("half-an-hour", 1800)).status == 200
    assert wire.create_run(w.endpoint, wire.sleeper("a-minute", 60)).status == 200
    before = details(w, r.name, overlong)["status"]["phase"], len(w.lines("again"))
    assert before == ("ACTION_PHASE_RUNNING", 1), "a minute was over before the step"
    followed = None if restart else Followed(w, r.name)
    clock.set(step)
    if restart:
        w.kill()
        w.restart()
    w.wait_lines("again", 2)  # not an hour too late
    world.eventually("the end of what ran too long", wait_s=world.WAIT_S,
                     condition=lambda: details(w, r.name, overlong)["status"]["phase"] == "ACTION_PHASE_TIMED_OUT")
    world.eventually("the end of a sleep", wait_s=world.WAIT_S,
                     condition=lambda: wire.phase(w.endpoint, "a-minute") == "ACTION_PHASE_SUCCEEDED")
    assert wire.phase(w.endpoint, "half-an-hour") == "ACTION_PHASE_RUNNING"  # not too early
    gate.touch()  # and what may still run was not stopped
    w.assert_value(r, ["MaxRuntimeExceededError", "the second time", "in time", *map(str, range(LEAVES))])
    if followed:
        followed.finish()
    assert_times(w, r.name)
    ran = {action: attempts for action, (_, attempts) in w.actions(r.name).items()}
    assert sorted(ran.values()) == [1] * (LEAVES + 3) + [2], ran
    after = w.submit(fan.nothing)
    w.assert_value(after, 7)
    assert_times(w, after.name)
    assert_times(w, "a-minute")
    ended = [n for n in run_names(w) if n in (earlier.name, r.name)]
    assert ended == [r.name, earlier.name] and set(runs) <= set(run_names(w))
    assert [n for n in action_names(w, r.name) if n in actions] == actions, "the order of actions changed"


def test_the_wall_clock_is_set_to_and_fro(make_world):
    """Five steps under a fan-out whose tasks queue for one CPU."""
    n = 10
    w = make_world(start=False, args=["--exec.local.cpus", "1", *COLD])
    clock = wall_clock(w)
    w.task_env = clock.env
    w.start()
    r = w.submit(fan.out, n=n)
    for i, seconds in enumerate((3600, 0, -3600, 3600, -3600)):
        w.wait_lines("leaf", 1 + 2 * i)
        clock.set(seconds)
    w.assert_succeeded(r, n)
    assert_times(w, r.name)
    a0, *children = action_names(w, r.name)
    assert a0 == "a0" and len(children) == n


# ---- the machine sleeps ---------------------------------------------------------------------------------------------

class Sleep:
    """CLOCK_BOOTTIME and the wall clock go on, CLOCK_MONOTONIC does not (shim/suspend.c)."""

    def __init__(self, library, w):
        self.world, path = w, w.folder / "suspend-control"
        path.write_bytes(bytes(8))
        with open(path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 8)
        self.env = {"LD_PRELOAD": str(library), "SUSPEND_CONTROL": str(path)}
        w.extra_env.update(self.env)

    def sleep(self, ns):
        processes = self.world.processes()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        self.memory[:8] = struct.pack("=q", ns)
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.quick
def test_the_machine_sleeps_for_an_hour(make_world, tmp_path_factory):
    """Limits and delays count the hour; what has none goes on as if nothing had happened."""
    w = make_world(start=False, args=ROOM)
    machine = Sleep(disk.build(tmp_path_factory.mktemp("shim"), "suspend"), w)
    w.task_env = machine.env
    w.start()
    assert wire.create_run(w.endpoint, wire.sleeper("half-an-hour", 1800)).status == 200
    assert wire.create_run(w.endpoint, wire.sleeper("two-hours", 7200)).status == 200
    gate = w.folder / "gate"
    r = w.submit(clocked.suspended, gate=str(gate))
    for what in ("patient", "later", "leaf"):
        w.wait_lines(what, 1)
    (later,) = [line[1] for line in w.lines("later")]
    world.eventually("the delay before the retry", lambda: details(w, r.name, later)["status"]["attempts"] == 2)
    world.eventually("its start", lambda: wire.phase(w.endpoint, "half-an-hour") == "ACTION_PHASE_RUNNING")
    followed = Followed(w, r.name)
    machine.sleep(HOUR_NS)
    w.wait_lines("later", 2)
    world.eventually("the end of the sleeper", lambda: wire.phase(w.endpoint, "half-an-hour") == "ACTION_PHASE_SUCCEEDED")
    gate.touch()
    w.assert_value(r, ["DeadlineExceededError", "the second time", "0"])
    followed.finish()
    assert_times(w, r.name)
    assert_times(w, "half-an-hour")
    assert wire.phase(w.endpoint, "two-hours") == "ACTION_PHASE_RUNNING"
    w.assert_value(w.submit(fan.nothing), 7)
