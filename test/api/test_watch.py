"""Streams that the SDK does not open: changes of many runs, and of one run's actions under filters."""
import pytest
import wire
from wire import Watch

PHASES = {"QUEUED": 1, "WAITING_FOR_RESOURCES": 2, "INITIALIZING": 3, "RUNNING": 4, "SUCCEEDED": 5, "ABORTED": 7}
PROJECT_ID = {"projectId": {"name": "flytesnacks", "domain": "development"}}


def name_and_phase(run):
    return run["action"]["id"]["run"]["name"], run["action"]["status"]["phase"].removeprefix("ACTION_PHASE_")


def create(server, name, **options):
    answer = wire.create_run(server.endpoint, wire.sleeper(name, **options))
    assert answer.status == 200, answer


def told_until(stream, wanted):
    """Reads until the set of (name, phase) has been told; all that was told, in order."""
    told = []
    while not wanted <= set(told):
        told += [name_and_phase(r) for r in stream.next()["runs"]]
    return told


# ---- WatchRuns --------------------------------------------------------------------------------------------------------


def test_a_change_of_an_old_run_is_told(make_tern):
    """More runs have come since than any page has, and it is told once, not with the others again."""
    server = make_tern().start()
    create(server, "old")
    for i in range(1100):
        create(server, f"new{i}", seconds=0)
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", PROJECT_ID) as stream:
        first = [name_and_phase(r)[0] for r in stream.next()["runs"]]
        assert first[:3] == ["new1099", "new1098", "new1097"] and len(first) == 100
        assert wire.abort(server.endpoint, "old", "a0").status == 200
        told = told_until(stream, {("old", "ABORTED")})
        assert [t for t in told if t == ("old", "ABORTED")] == [("old", "ABORTED")]


def test_every_run_of_a_burst_is_told(make_tern):
    """Runs that come and end faster than a client reads: it learns the end of each."""
    server = make_tern().start()
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", PROJECT_ID) as stream:
        for i in range(350):
            create(server, f"burst{i}", seconds=0)
        told_until(stream, {(f"burst{i}", "SUCCEEDED") for i in range(350)})


TASK = {"taskId": {"project": "flytesnacks", "domain": "development", "name": "t.core-sleep", "version": "v1"}}


@pytest.mark.parametrize("target, expected", [
    (PROJECT_ID, {"another", "here"}), (TASK, {"elsewhere", "here"}), ({"org": "any"}, {"elsewhere", "another", "here"})])
def test_a_target_limits_what_is_told(make_tern, target, expected):
    server = make_tern().start()
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", target) as stream:
        for name, domain, version in (("elsewhere", "staging", "v1"), ("another", "development", "v2"),
                                      ("here", "development", "v1")):
            message = wire.sleeper(name, seconds=0)
            message["runId"]["domain"] = domain
            message["taskSpec"]["taskTemplate"]["id"]["version"] = version
            assert wire.create_run(server.endpoint, message).status == 200
        told = told_until(stream, {(name, "SUCCEEDED") for name in expected})
        assert {name for name, _ in told} == expected


# ---- WatchActions -----------------------------------------------------------------------------------------------------


def enqueue(server, run, inputs, name, parent, short_name):
    message = wire.child(run, name, parent, inputs, short_name)
    answer = wire.call(server.endpoint, "/flyteidl2.actions.ActionsService/Enqueue", message)
    assert answer.status == 200, answer


def tree(server):
    """a0 - left - (deep, twig); a0 - right: all sleep."""
    create(server, "tree")
    uris = wire.call(server.endpoint, wire.RUNS + "GetActionDataURIs", {"actionId": {"run": wire.run_id("tree"), "name": "a0"}})
    for name, parent, short in (("left", "a0", "branch"), ("right", "a0", "branch"), ("deep", "left", "leaf"),
                                ("twig", "left", "twig")):
        enqueue(server, "tree", uris.json["inputsUri"], name, parent, short)


def filtered(server, *filters):
    return Watch(server.endpoint, wire.RUNS + "WatchActions", {"runId": wire.run_id("tree"), "filter": filters})


def shown(stream, until, now=frozenset()):
    """What a client that follows meets_filter shows; reads until that is `until`."""
    while now != until:
        for e in stream.next()["enrichedActions"]:
            name = e["action"]["id"]["name"]
            now = now | {name} if e.get("meetsFilter") else now - {name}
    return now


def test_filters_show_what_matches_and_its_ancestors(make_tern):
    server = make_tern().start()
    tree(server)
    name = {"field": "NAME", "function": "CONTAINS_CASE_INSENSITIVE", "values": ["LEA"]}
    with filtered(server, name) as stream:
        shown(stream, {"a0", "left", "deep"})
    with filtered(server) as stream:
        shown(stream, {"a0", "left", "right", "deep", "twig"})


def test_ancestors_are_withdrawn_with_the_last_match_below(make_tern):
    server = make_tern().start()
    tree(server)
    aborted = {"field": "PHASE", "function": "VALUE_IN", "values": [str(PHASES["ABORTED"])]}
    running = {"field": "PHASE", "function": "VALUE_IN", "values": [str(v) for k, v in PHASES.items() if v < 5]}
    leaves = {"field": "NAME", "function": "CONTAINS_CASE_INSENSITIVE", "values": ["leaf"]}
    with filtered(server, running, leaves) as open_leaves, filtered(server, aborted) as ended:
        shown(open_leaves, {"a0", "left", "deep"})
        assert wire.abort(server.endpoint, "tree", "twig").status == 200
        shown(ended, {"a0", "left", "twig"})
        assert wire.abort(server.endpoint, "tree", "deep").status == 200
        shown(open_leaves, set(), {"a0", "left", "deep"})
        # What is not shown is not told again; what comes back is.
        uris = wire.call(server.endpoint, wire.RUNS + "GetActionDataURIs",
                         {"actionId": {"run": wire.run_id("tree"), "name": "a0"}})
        enqueue(server, "tree", uris.json["inputsUri"], "late", "right", "leaf")
        assert {e["action"]["id"]["name"] for e in open_leaves.next()["enrichedActions"]} == {"a0", "right", "late"}


def test_an_ancestor_that_matches_itself_stays(make_tern):
    server = make_tern().start()
    tree(server)
    running = {"field": "PHASE", "function": "VALUE_IN", "values": [str(v) for v in range(1, 5)]}
    with filtered(server, running) as stream:
        everything = shown(stream, {"a0", "left", "right", "deep", "twig"})
        for name in ("deep", "twig"):
            assert wire.abort(server.endpoint, "tree", name).status == 200
        shown(stream, {"a0", "left", "right"}, everything)


def test_other_filters_are_refused(tern):
    for f in ({"field": "COLOUR", "function": "VALUE_IN", "values": ["1"]},
              {"field": "PHASE", "function": "VALUE_IN", "values": ["running"]}):
        body = wire.frame(wire.json.dumps({"runId": wire.run_id("any"), "filter": [f]}).encode())
        answer = wire.post(tern.endpoint, wire.RUNS + "WatchActions", body, "application/connect+json")
        assert wire.stream_error(answer)[0] == "invalid_argument"
