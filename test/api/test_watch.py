"""Streams that the SDK does not open: changes of many runs, groups of runs, and one run's actions under filters."""
import calendar
import collections
import json
import time

import harness
import pytest
import waiting
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


# ---- WatchGroups ------------------------------------------------------------------------------------------------------

GROUPS = {**PROJECT_ID, "startDate": "2020-01-01T00:00:00Z"}
TASKS = ("groups.alpha", "groups.beta", "groups.gamma", "groups.delta")


def ns(timestamp):
    """Of RFC 3339, UTC, as protobuf writes it."""
    seconds, _, fraction = timestamp.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((fraction or "0").ljust(9, "0"))


def run_task(server, name, task, kind):
    """A run of the task that does what kind says, at its end unless it sleeps."""
    message = wire.sleeper(name, seconds=0 if kind == "succeeds" else 3600)
    message["taskSpec"].update(shortName=task.split(".")[1], environment={"name": "env_" + task.split(".")[1]})
    message["taskSpec"]["taskTemplate"]["id"]["name"] = task
    if kind == "fails":
        message["inputs"] = {}  # it has to be told how long
    assert wire.create_run(server.endpoint, message).status == 200
    if kind == "is aborted":
        assert wire.abort(server.endpoint, name, "a0").status == 200
    wanted = {"succeeds": "SUCCEEDED", "sleeps": "RUNNING", "fails": "FAILED", "is aborted": "ABORTED"}[kind]
    waiting.wait_until(lambda: wire.phase(server.endpoint, name) == "ACTION_PHASE_" + wanted)


def error_key(server, name):
    kind = wire.error(server.endpoint, name).get("kind", "")
    return {"KIND_USER": "userError", "KIND_SYSTEM": "systemError"}.get(kind, "unspecifiedError")


def group_model(server, task, names):
    """The group that the runs of a task make, from what is told of each run; names: newest first."""
    actions = [wire.details(server.endpoint, n)["action"] for n in names]
    phases = [a["status"]["phase"] for a in actions]
    begun = [ns(a["status"]["startTime"]) for a in actions]
    spans = [ns(a["status"]["endTime"]) - b for a, b in zip(actions, begun) if "endTime" in a["status"]]
    running = [ns(t["startTime"]) - b for a, b in zip(actions, begun) for t in a["attempts"][0]["phaseTransitions"]
               if t["phase"] == "ACTION_PHASE_RUNNING"]
    errors = collections.Counter(error_key(server, n) for n, p in zip(names, phases) if p == "ACTION_PHASE_FAILED")
    return {"taskName": task, "shortName": task.split(".")[1], "environmentName": "env_" + task.split(".")[1],
            "totalRuns": len(names), "phaseCounts": dict(collections.Counter(phases)),
            "recentStatuses": list(zip(names, phases))[:10], "latestRunTime": max(begun),
            "latestFinishedTime": max((ns(a["status"]["endTime"]) for a in actions if "endTime" in a["status"]), default=None),
            "averageFailureRate": phases.count("ACTION_PHASE_FAILED") / len(names), "errorCounts": dict(errors),
            "averageDuration": sum(spans) // len(spans) if spans else None,
            "averageTimeToRunning": sum(running) // len(running) if running else None}


def group_told(group):
    """A told group as the model is written."""
    def maybe(key, as_number):
        return as_number(group[key]) if key in group else None
    return {"taskName": group["taskName"], "shortName": group["shortName"], "environmentName": group["environmentName"],
            "totalRuns": int(group["totalRuns"]), "phaseCounts": {p["phase"]: int(p["count"]) for p in group["phaseCounts"]},
            "recentStatuses": [(s["runName"], s["phase"]) for s in group["recentStatuses"]],
            "latestRunTime": ns(group["latestRunTime"]), "latestFinishedTime": maybe("latestFinishedTime", ns),
            "averageFailureRate": group.get("averageFailureRate", 0),
            "errorCounts": {k: int(v) for k, v in group["errorCounts"].items()},
            "averageDuration": maybe("averageDuration", wire.duration_ns), "averageTimeToRunning": maybe("averageTimeToRunning", wire.duration_ns)}


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """A server and the runs of each of TASKS, newest first: 30 that sleep, have succeeded, failed or were aborted."""
    server, runs = harness.Tern(tmp_path_factory.mktemp("groups") / "tern").start(), {t: [] for t in TASKS}
    for i in range(30):
        task = TASKS[0] if i < 12 else TASKS[1 + i % 3]
        kind = ("succeeds", "sleeps", "fails", "succeeds", "is aborted")[i % 5]
        run_task(server, f"g{i}", task, kind)
        runs[task].insert(0, f"g{i}")
    yield server, runs
    server.finish()


def groups_once(server, **more):
    """The groups of a stream that ends by itself, which it does with an end_date."""
    message = {**GROUPS, "endDate": "2100-01-01T00:00:00Z", **more}
    answer = wire.post(server.endpoint, wire.RUNS + "WatchGroups", wire.frame(json.dumps(message).encode()),
                       "application/connect+json")
    assert wire.stream_error(answer) == (None, ""), answer
    first, = [json.loads(payload) for flags, payload in wire.frames(answer.body) if not flags & 2]
    assert first["sentinel"] is True
    return first.get("taskGroups", [])


def names_of(groups):
    return [g["taskName"] for g in groups]


def test_groups_add_up_runs(grouped):
    server, runs = grouped
    told = {g["taskName"]: g for g in groups_once(server)}
    assert {t: group_told(g) for t, g in told.items()} == {t: group_model(server, t, runs[t]) for t in TASKS}
    who = wire.details(server.endpoint, "g0")["action"]["metadata"]["executedBy"]
    assert all(g["createdBy"] == [who] for g in told.values())


def test_groups_of_a_span(grouped):
    """Both ends belong to it."""
    server, runs = grouped
    newest = [wire.details(server.endpoint, r[0])["action"]["status"]["startTime"] for r in runs.values()]
    last = max(newest, key=ns)
    assert [(g["totalRuns"], g["latestRunTime"]) for g in groups_once(server, startDate=last, endDate=last)] == [("1", last)]
    assert groups_once(server, startDate="2099-01-01T00:00:00Z") == []
    assert groups_once(server, projectId={"name": "flytesnacks", "domain": "staging"}) == []


def test_groups_by_filter_order_and_limit(grouped):
    server, runs = grouped
    newest = sorted(TASKS, key=lambda t: -int(runs[t][0][1:]))
    assert names_of(groups_once(server)) == newest
    assert names_of(groups_once(server, knownSortFields=[{"createdAt": "ASCENDING"}])) == newest[::-1]
    assert names_of(groups_once(server, request={"sortByFields": [{"key": "task_name", "direction": "ASCENDING"}]})) == sorted(TASKS)
    assert names_of(groups_once(server, request={"sortBy": {"key": "total_runs"}})) == sorted(TASKS, key=lambda t: (-len(runs[t]), t))
    assert names_of(groups_once(server, request={"limit": 2})) == newest[:2]
    for filters, keep in (
            ([{"field": "task_name", "function": "EQUAL", "values": [TASKS[0]]}], lambda a, t: t == TASKS[0]),
            ([{"field": "phase", "function": "VALUE_IN", "values": ["FAILED", "ABORTED"]}], lambda a, t: a["status"]["phase"][13:] in ("FAILED", "ABORTED")),
            ([{"field": "run_name", "function": "ENDS_WITH", "values": ["5"]}], lambda a, t: a["id"]["run"]["name"].endswith("5"))):
        kept = {t: [n for n in runs[t] if keep(wire.details(server.endpoint, n)["action"], t)] for t in TASKS}
        assert {g["taskName"]: group_told(g) for g in groups_once(server, request={"filters": filters})} == {
            t: group_model(server, t, r) for t, r in kept.items() if r}, filters


def test_bad_requests_for_groups_name_the_field(grouped):
    server, _ = grouped
    for more, word in (({"startDate": None}, "start_date"), ({"projectId": None}, "scope_by"),
                       ({"request": {"filters": [{"field": "colour", "values": ["1"]}]}}, "colour"),
                       ({"request": {"sortBy": {"key": "phase"}}}, "phase"), ({"request": {"token": "10"}}, "token")):
        answer = wire.post(server.endpoint, wire.RUNS + "WatchGroups", wire.frame(json.dumps({**GROUPS, **more}).encode()),
                           "application/connect+json")
        code, message = wire.stream_error(answer)
        assert code == "invalid_argument" and word in message, (more, code, message)


def test_only_groups_that_changed_are_told_again(make_tern):
    server = make_tern().start()
    for i, task in enumerate(TASKS[:3]):
        run_task(server, f"w{i}", task, "sleeps")
    sleeping = {"filters": [{"field": "phase", "function": "EQUAL", "values": ["RUNNING"]}]}
    with Watch(server.endpoint, wire.RUNS + "WatchGroups", GROUPS) as every, \
            Watch(server.endpoint, wire.RUNS + "WatchGroups", {**GROUPS, "request": {"limit": 1}}) as one, \
            Watch(server.endpoint, wire.RUNS + "WatchGroups", {**GROUPS, "request": sleeping}) as asleep:
        for stream, wanted in ((every, TASKS[2::-1]), (one, TASKS[2:3]), (asleep, TASKS[2::-1])):
            first = stream.next()
            assert names_of(first["taskGroups"]) == list(wanted) and first["sentinel"] is True
        assert wire.abort(server.endpoint, "w1", "a0").status == 200
        group = until_group(every, TASKS[1], lambda g: g["recentStatuses"][0]["phase"] == "ACTION_PHASE_ABORTED", {TASKS[1]})
        assert group_told(group) == group_model(server, TASKS[1], ["w1"])
        assert asleep.next()["taskGroups"] == [{"taskName": TASKS[1], "shouldDelete": True}]
        run_task(server, "w3", TASKS[3], "sleeps")
        until_group(every, TASKS[3], lambda g: g["recentStatuses"][0]["phase"] == "ACTION_PHASE_RUNNING", {TASKS[3]})
        assert one.next()["taskGroups"][-1] == {"taskName": TASKS[2], "shouldDelete": True}, "another one is the newest"
        run_task(server, "w4", TASKS[1], "sleeps")
        group = until_group(asleep, TASKS[1], lambda g: True, {TASKS[1], TASKS[3]})
        assert group["totalRuns"] == "1" and group["recentStatuses"][0]["runName"] == "w4"


def until_group(stream, task, ready, among):
    """The group of the task once it is ready; no message has the sentinel, or groups that are not among these."""
    while True:
        message = stream.next()
        assert "sentinel" not in message and set(names_of(message["taskGroups"])) <= among, message
        for g in message["taskGroups"]:
            if g["taskName"] == task and ready(g):
                return g
