"""A run with 100,000 open children is aborted (D-04): the answer does not wait for them, nothing can be added any more, and
they end in pieces between which others are served. How long it takes: `make bench`, row abort."""
import collections
import contextlib
import itertools

import pytest

import load
import wire
import world

MANY = 100_000
SOME = 3000
PIECE_MAX = 1000  # rows of one write entry
PAGE = 1000
CLIENTS = 4
ABORTED = 7


def open_children(w, run, count):
    """That many children of a root that sleep in the engine as it does; the inputs' URI."""
    assert wire.create_run(w.endpoint, wire.sleeper(run)).status == 200
    root = {"actionId": {"run": wire.run_id(run), "name": "a0"}}
    uri = wire.call(w.endpoint, wire.RUNS + "GetActionDataURIs", root).json["inputsUri"]
    load.run(w, "open-children", "--run", run, "--inputs", uri, "--count", count)
    return uri


def below(w, run):
    """phase -> how many of the root's descendants, as a watcher is told."""
    with wire.Watch(w.endpoint, wire.RUNS + "WatchActions", {"runId": wire.run_id(run)}) as watch:
        while True:
            for node in watch.next().get("enrichedActions", []):
                if node["action"]["id"]["name"] == "a0":
                    return {int(phase): n for phase, n in node.get("childrenPhaseCounts", {}).items()}


def statuses(w, run):
    """action -> its status, of the whole run."""
    found, token = {}, ""
    while True:
        a = wire.call(w.endpoint, wire.RUNS + "ListActions", {"runId": wire.run_id(run), "request": {"limit": PAGE, "token": token}})
        assert a.status == 200, a
        found.update((action["id"]["name"], action["status"]) for action in a.json["actions"])
        token = a.json.get("token", "")
        if not token:
            return found


def moment(timestamp):
    """Compares as the times do, whatever the digits of their fractions."""
    return timestamp.rstrip("Z")


@contextlib.contextmanager
def others_create(w):
    """Clients that make one run after the other; when each began."""
    numbers, made = itertools.count(), []

    def create():
        a = wire.create_run(w.endpoint, wire.sleeper(f"other-{next(numbers)}"))
        assert a.status == 200, a
        made.append(moment(a.json["run"]["action"]["status"]["startTime"]))

    with contextlib.ExitStack() as clients:
        for _ in range(CLIENTS):
            clients.enter_context(world.Meanwhile(create)).served()
        yield made


@pytest.mark.parametrize("count", [pytest.param(SOME, id="some", marks=pytest.mark.quick), pytest.param(MANY, id="many")])
def test_abort_of_a_run_with_many_open_children(make_world, count):
    w = make_world()
    uri = open_children(w, "wide", count)
    assert sum(below(w, "wide").values()) == count
    with others_create(w) as made:
        a = wire.call(w.endpoint, wire.RUNS + "AbortRun", {"runId": wire.run_id("wide"), "reason": "enough"})
        late = wire.call(w.endpoint, "/flyteidl2.actions.ActionsService/Enqueue", wire.child("wide", "late", "a0", uri, "late"))
        assert a.status == 200 and late.code == "aborted", (a, late)
        world.eventually("the end of the children", lambda: set(below(w, "wide")) == {ABORTED}, 120)
    told = statuses(w, "wide")
    assert len(told) == count + 1 and {s["phase"] for s in told.values()} == {"ACTION_PHASE_ABORTED"}
    root = moment(told.pop("a0")["endTime"])
    pieces = collections.Counter(moment(s["endTime"]) for s in told.values())
    first, last, largest = min(pieces), max(pieces), max(pieces.values())
    between = [t for t in made if first < t < last]
    print(f"{count} children in {len(pieces)} pieces of at most {largest}, {len(between)} runs of others between them")
    assert root < first, "the abort's answer waited for the children"
    assert largest <= PIECE_MAX
    # Of a few pieces none may have had a call beside it.
    assert between or count < MANY, "nobody else was served until all had ended"
