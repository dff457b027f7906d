"""What the runtime inside a task is told of its children, by WatchForUpdates and its older name, and what aborts do to
them: over the plain API."""
import socket
import struct

import pytest
import wire
from waiting import wait_until

ACTIONS = "/flyteidl2.actions.ActionsService/"
STATE = "/flyteidl2.workflow.StateService/"


class Parent:
    """A root that sleeps in the engine, with conditions for children: each ends when the test says so."""

    def __init__(self, endpoint, run):
        self.endpoint, self.run = endpoint, run
        self.call(wire.RUNS + "CreateRun", wire.sleeper(run))
        self.inputs = self.call(wire.RUNS + "GetActionDataURIs", {"actionId": self.id("a0")})["inputsUri"]

    def call(self, path, message, code=None):
        a = wire.call(self.endpoint, path, message)
        assert a.code == code, a
        return a.json

    def id(self, name):
        return {"run": wire.run_id(self.run), "name": name}

    def enqueue(self, name, code=None, **condition):
        message = wire.child(self.run, name, "a0", self.inputs, "child")
        del message["action"]["task"]
        message["action"]["condition"] = {"name": f"ask-{name}", "prompt": "?", "type": {"simple": "INTEGER"}, **condition}
        self.call(ACTIONS + "Enqueue", message, code)

    def signal(self, name, value, code=None):
        self.call(wire.RUNS + "SignalEvent", {"actionId": self.id(name), "parentActionName": "a0", "payload": {"intValue": value}}, code)

    def watch(self, path):
        return wire.Watch(self.endpoint, path, {"parentActionId": self.id("a0")})


def is_sentinel(message):
    return message.get("controlMessage", {}).get("sentinel", False)


def told(message):
    """(child, phase, value) of an update."""
    update = message["actionUpdate"]
    value = update.get("value", {}).get("scalar", {}).get("primitive", {}).get("integer")
    return update["actionId"]["name"], update["phase"].removeprefix("ACTION_PHASE_"), value


def snapshot(watch):
    """child -> (phase, value), of all that comes before the sentinel."""
    out = {}
    while not is_sentinel(message := watch.next()):
        name, *state = told(message)
        out[name] = tuple(state)
    return out


def follow(watch, state, want):
    """Reads until the state is what it has to become."""
    while state != want:
        name, *new = told(watch.next())
        state[name] = tuple(new)


def reset(watch):
    """As a network does it: the server gets a RST."""
    s = watch.connection.sock
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    watch.answer.close()
    watch.connection.close()


@pytest.mark.parametrize("path, count", [(ACTIONS + "WatchForUpdates", 1000), (STATE + "Watch", 50)])
def test_every_end_is_told_across_a_reset_and_a_restart(make_tern, path, count):
    server = make_tern().start()
    parent = Parent(server.endpoint, "fan")
    names = [f"c{i}" for i in range(count)]
    want = {name: ("PAUSED", None) for name in names}

    def signal(some):
        for name in some:
            parent.signal(name, name[1:])
            want[name] = ("SUCCEEDED", name[1:])

    watch = parent.watch(path)
    state = snapshot(watch)
    assert state == {}
    for name in names:
        parent.enqueue(name)
    parent.enqueue(names[0], code="already_exists")
    signal(names[::3])
    follow(watch, state, want)
    reset(watch)
    signal(names[1::3])
    with parent.watch(path) as watch:
        assert snapshot(watch) == want  # without the parent itself
        server.kill()
    server.restart()
    with parent.watch(path) as watch:
        state = snapshot(watch)
        assert state == want
        signal(names[2::3])
        follow(watch, state, want)
    assert set(want.values()) == {("SUCCEEDED", name[1:]) for name in names}


def test_a_condition_that_nobody_answers(tern):
    parent = Parent(tern.endpoint, "unanswered")
    with parent.watch(ACTIONS + "WatchForUpdates") as watch:
        assert snapshot(watch) == {}
        parent.enqueue("k", timeout="0.1s")
        follow(watch, {}, {"k": ("TIMED_OUT", None)})
    parent.signal("k", 1, code="failed_precondition")
    parent.call(wire.RUNS + "AbortRun", {"runId": wire.run_id(parent.run)})


def test_a_condition_is_found_by_its_name(tern):
    parent = Parent(tern.endpoint, "named-conditions")
    parent.enqueue("x")
    parent.enqueue("y")
    listed = parent.call(wire.RUNS + "ListActions", {"runId": wire.run_id(parent.run)})["actions"]
    found = {a["metadata"]["condition"]["name"]: (a["id"]["name"], a["metadata"]["parent"], a["status"]["phase"])
             for a in listed if "condition" in a["metadata"]}
    assert found == {"ask-x": ("x", "a0", "ACTION_PHASE_PAUSED"), "ask-y": ("y", "a0", "ACTION_PHASE_PAUSED")}
    parent.call(wire.RUNS + "AbortRun", {"runId": wire.run_id(parent.run)})


def test_an_abort_ends_all_below_it_and_their_watches(tern):
    parent = Parent(tern.endpoint, "stopped")
    parent.enqueue("x")
    details = wire.RUNS + "WatchActionDetails"
    watches = [wire.Watch(tern.endpoint, details, {"actionId": parent.id(name)}) for name in ("a0", "x")]
    assert all("endTime" not in w.next()["details"]["status"] for w in watches)
    parent.call(wire.RUNS + "AbortRun", {"runId": wire.run_id("stopped"), "reason": "enough of it"})
    ends = [last_of(w)["details"] for w in watches]
    assert [d["status"]["phase"] for d in ends] == ["ACTION_PHASE_ABORTED"] * 2
    assert ends[0]["abortInfo"]["reason"] == "enough of it"
    parent.enqueue("late", code="aborted")
    # Again, with another reason: it is over.
    parent.call(wire.RUNS + "AbortRun", {"runId": wire.run_id("stopped"), "reason": "again"})
    assert wire.details(tern.endpoint, "stopped")["action"]["abortInfo"]["reason"] == "enough of it"


def last_of(watch):
    """The last message of a stream that ends well."""
    answer = wire.Answer(200, {}, watch.answer.read())
    watch.connection.close()
    assert wire.stream_error(answer) == (None, "")
    return wire.json.loads([payload for flags, payload in wire.frames(answer.body) if not flags & 2][-1])


def test_an_abort_of_a_finished_run_changes_nothing(tern):
    assert wire.create_run(tern.endpoint, wire.sleeper("finished", 0)).status == 200
    wait_until(lambda: wire.phase(tern.endpoint, "finished") == "ACTION_PHASE_SUCCEEDED", "the end")
    before = wire.details(tern.endpoint, "finished")
    for path, message in (("AbortRun", {"runId": wire.run_id("finished")}),
                          ("AbortAction", {"actionId": {"run": wire.run_id("finished"), "name": "a0"}})):
        assert wire.call(tern.endpoint, wire.RUNS + path, {**message, "reason": "late"}).status == 200
    assert wire.details(tern.endpoint, "finished") == before
