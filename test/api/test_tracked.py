"""Runs that execute elsewhere and are reported: flyte run --local --tracked, and what its reporter may send."""
import re
import signal
import subprocess
import sys
import uuid

import pytest
import wire
from waiting import wait_until

import tracked as program
from test_retention import MOMENT, gc, objects, restart_with

RPCS = "/flyteidl2.workflow.TrackedRunService/"
QUEUED, RUNNING, SUCCEEDED, FAILED, ABORTED = 1, 4, 5, 6, 7


@pytest.fixture
def local(sdk):
    """local(task, **inputs) -> the details of the tracked run, as the server has them. Strict: nothing of it may be refused."""

    def go(task, fails=False, **inputs):
        name = f"local-{uuid.uuid4().hex[:8]}"
        run = lambda: sdk.with_runcontext(mode="local", name=name, tracked=True, tracked_strict=True).run(task, **inputs)  # noqa: E731
        if fails:
            with pytest.raises(Exception, match=fails):
                run()
        else:
            run()
        return sdk.remote.Run.get(name)

    return go


def call(tern, rpc, message):
    return wire.call(tern.endpoint, RPCS + rpc, message)


def details(tern, name, action="a0"):
    return call(tern, "GetActionDetails", {"actionId": {"run": wire.run_id(name), "name": action}}).json["details"]


def actions(tern, name):
    told = call(tern, "ListActions", {"runId": wire.run_id(name), "request": {"limit": 1000}})
    assert told.status == 200, told
    return told.json["actions"]


# ---- the real reporter ------------------------------------------------------------------------------------------------


def test_a_tree_is_told(local, tern):
    """The driver is a0; below it what it called, and traces below those; with inputs, outputs, groups and phases."""
    r = local(program.tree, n=3)
    assert r.pb2.action.status.phase == SUCCEEDED and r.pb2.action.metadata.source == 4  # RUN_SOURCE_TRACKED
    assert r.inputs()["n"] == 3 and r.outputs()[0] == [2, 4, 6]
    told = actions(tern, r.name)
    kinds = sorted(a["metadata"].get("task", {}).get("shortName") or a["metadata"]["trace"]["name"] for a in told)
    assert kinds == sorted(["tree"] + 3 * ["double"] + 3 * ["traced"]), kinds
    assert {a["status"]["phase"] for a in told} == {"ACTION_PHASE_SUCCEEDED"}
    by_name = {a["id"]["name"]: a for a in told}
    for a in told:
        parent = by_name.get(a["metadata"].get("parent", ""))
        child = a["metadata"].get("task", {}).get("shortName")
        assert (child == "tree") == (parent is None)
        assert child != "double" or parent["metadata"]["task"]["shortName"] == "tree"
    pairs = {kind: sorted(data(tern, r.name, name) for name, a in by_name.items() if a["metadata"].get(kind) and name != "a0")
             for kind in ("task", "trace")}
    assert pairs == {"task": [(0, 2), (1, 4), (2, 6)], "trace": [(0, 1), (1, 2), (2, 3)]}


def data(tern, run, action):
    """(its input, its output), both integers"""
    told = wire.call(tern.endpoint, wire.RUNS + "GetActionData", {"actionId": {"run": wire.run_id(run), "name": action}})
    assert told.status == 200, told
    value = lambda literals: int(literals["literals"][0]["value"]["scalar"]["primitive"]["integer"])  # noqa: E731
    return value(told.json["inputs"]), value(told.json["outputs"])


def test_a_failure_and_a_retry(local, tern, tmp_path):
    failed = local(program.fails, fails="no luck", text="no luck")
    assert failed.pb2.action.status.phase == FAILED
    assert "no luck" in failed.details().action_details.pb2.error_info.message
    again = local(program.flaky, marker=str(tmp_path / "marker"))
    told = again.details().action_details.pb2
    assert told.status.phase == SUCCEEDED and [a.phase for a in told.attempts] == [FAILED, SUCCEEDED]
    assert "the first time" in told.attempts[0].error_info.message and not told.HasField("error_info")
    assert again.outputs()[0] == "the second time"


def test_a_report_grows(local, tern):
    r = local(program.reports, text="said")
    assert r.outputs()[0] == "said"
    url = r.details().action_details.pb2.attempts[0].outputs.report_uri
    assert url.endswith(f"/tracked-runs/{r.name}/a0/1/report.html")
    link = wire.call(tern.endpoint, "/flyteidl2.dataproxy.DataProxyService/CreateDownloadLink", {
        "artifactType": "ARTIFACT_TYPE_REPORT", "actionAttemptId": {
            "actionId": {"run": wire.run_id(r.name), "name": "a0"}, "attempt": 1}})
    import urllib.request
    with urllib.request.urlopen(link.json["preSignedUrls"]["signedUrl"][0]) as page:
        assert "said 1" in page.read().decode()


def test_the_cli_lists_it_and_its_page_shows_it(tern):
    done = tern.cli("run", "--local", "--tracked", "tracked.py", "double", "--x", "20")
    assert "42" in done.stdout
    runs = call(tern, "ListRuns", {"projectId": wire.PROJECT, "request": {"limit": 1}}).json["runs"]
    name = runs[0]["action"]["id"]["run"]["name"]
    assert name.startswith("local-") and name in tern.cli("get", "run").stdout
    listed = wire.call(tern.endpoint, wire.RUNS + "ListRuns", {"projectId": wire.PROJECT, "request": {
        "filters": [{"field": "run_source", "values": ["RUN_SOURCE_TRACKED"]}]}}).json["runs"]
    assert name in {r["action"]["id"]["run"]["name"] for r in listed}
    for kind in ("runs", "tracked-runs"):
        page = wire.post(tern.endpoint, f"/v2/domain/development/project/flytesnacks/{kind}/{name}", None, method="GET")
        assert page.status == 200 and b"reported" in page.body and b"double" in page.body and b"traced" in page.body


def interrupt_one(tern, started):
    """A run that a user has ended with Ctrl-C while its task worked; its name."""
    name = f"local-{uuid.uuid4().hex[:8]}"
    process = subprocess.Popen([f"{sys.prefix}/bin/flyte", "run", "--local", "--tracked", "--name", name, "tracked.py", "waits",
                                "--started", str(started)], env=tern.env(), cwd=program.__file__.rpartition("/")[0],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # whatever started the tests
    try:
        with wire.Watch(tern.endpoint, RPCS + "WatchRuns", {"projectId": wire.PROJECT}) as runs:
            while not any(r["action"]["id"]["run"]["name"] == name for r in runs.next()["runs"]):
                pass
        with wire.Watch(tern.endpoint, RPCS + "WatchRunDetails", {"runId": wire.run_id(name)}) as run:
            while not run.next()["details"]["action"].get("attempts"):
                pass
        wait_until(started.exists, "the task")  # interrupted earlier, the client may say nothing
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
    return name


def test_interrupted(tern, tmp_path):
    """What was open when the user ended it is ABORTED, the parent too. The client gives itself five seconds to say so: on a
    machine that is too busy for that it is asked again."""
    tern.write_client_config(tern.home)
    for i in range(3):
        phases = {a["status"]["phase"] for a in actions(tern, interrupt_one(tern, tmp_path / f"started-{i}"))}
        if phases == {"ACTION_PHASE_ABORTED"}:
            return
    assert phases == {"ACTION_PHASE_ABORTED"}


# ---- what a reporter may send -----------------------------------------------------------------------------------------


def create(tern, name, **more):
    return call(tern, "CreateRun", {"runId": wire.run_id(name), "taskSpec": wire.task_spec("python"), "runSpec": {}, **more})


def update(run, action, phase, attempt=1, version=0, status=True, **more):
    event = {"id": {"run": wire.run_id(run), "name": action}, "attempt": attempt, "phase": phase, "version": version,
             "updatedTime": "2026-01-02T03:04:05Z", **more.pop("event", {})}
    return {"event": event, **({"status": {"phase": phase, "attempts": attempt}} if status else {}), **more}


def report(tern, run, *updates):
    told = call(tern, "ReportActions", {"runId": wire.run_id(run), "updates": list(updates)})
    assert told.status == 200 and len(told.json["statuses"]) == len(updates), told
    return [(s.get("code", 0), s.get("message", "")) for s in told.json["statuses"]]


OK = (0, "")
CHILD = {"parentName": "a0", "group": "g", "task": {"spec": wire.task_spec("child")}}


@pytest.fixture
def named():
    return f"t{uuid.uuid4().hex[:10]}"


def test_nothing_is_launched(tern, named):
    assert create(tern, named, labels={"team": "blue"}).json["run"]["action"]["status"]["phase"] == "ACTION_PHASE_RUNNING"
    assert create(tern, named).code == "already_exists"
    assert report(tern, named, update(named, "c1", RUNNING, **CHILD)) == [OK]
    told = call(tern, "GetRunDetails", {"runId": wire.run_id(named)}).json["details"]
    assert told["runSpec"]["labels"]["values"] == {"team": "blue"}
    answer = wire.call(tern.endpoint, "/flyteidl2.actions.ActionsService/Enqueue",
                       wire.child(named, "c2", "a0", f"s3://tern/flytesnacks/development/{named}/inputs", "core-echo"))
    assert answer.code == "failed_precondition" and "elsewhere" in answer.message
    assert {a["id"]["name"]: a["status"]["phase"] for a in actions(tern, named)} == {
        "a0": "ACTION_PHASE_RUNNING", "c1": "ACTION_PHASE_RUNNING"}


def test_reports_may_be_repeated(tern, named):
    create(tern, named)
    batch = [update(named, "c1", RUNNING, **CHILD), update(named, "c1", SUCCEEDED, version=1), update(named, "a0", SUCCEEDED)]
    assert report(tern, named, *batch) == [OK] * 3
    first = [details(tern, named, a) for a in ("a0", "c1")]
    assert report(tern, named, *batch) == [OK] * 3 and [details(tern, named, a) for a in ("a0", "c1")] == first
    # What comes late adds to the history, and the end stays.
    assert report(tern, named, update(named, "c1", RUNNING, version=7)) == [OK]
    assert details(tern, named, "c1")["status"]["phase"] == "ACTION_PHASE_SUCCEEDED"
    other = update(named, "c1", RUNNING, version=8, parentName="nobody", group="h", task={"spec": wire.task_spec("other")})
    assert report(tern, named, other) == [OK] and details(tern, named, "c1")["metadata"]["group"] == "g"


def test_another_attempt(tern, named):
    """What the first one left open ends with the last one at the latest; what the second one starts goes on."""
    create(tern, named)
    error = {"errorInfo": {"message": "the first", "kind": "KIND_USER"}}
    assert report(tern, named, update(named, "c1", RUNNING, **CHILD), update(named, "a0", FAILED, event=error),
                  update(named, "a0", RUNNING, attempt=2), update(named, "c2", RUNNING, **CHILD)) == [OK] * 4
    assert details(tern, named)["status"]["phase"] == details(tern, named, "c2")["status"]["phase"] == "ACTION_PHASE_RUNNING"
    with wire.Watch(tern.endpoint, RPCS + "WatchActionDetails", {"actionId": {"run": wire.run_id(named), "name": "c1"}}) as c1:
        c1.next()
        assert report(tern, named, update(named, "c2", SUCCEEDED, version=1), update(named, "a0", SUCCEEDED, attempt=2)) == [OK] * 2
        while c1.next()["details"]["status"]["phase"] != "ACTION_PHASE_ABORTED":
            pass
    told = details(tern, named)
    assert told["status"]["phase"] == "ACTION_PHASE_SUCCEEDED" and "errorInfo" not in told
    assert [a["phase"].rpartition("_")[2] for a in told["attempts"]] == ["FAILED", "SUCCEEDED"]
    assert details(tern, named, "c2")["status"]["phase"] == "ACTION_PHASE_SUCCEEDED"


def test_updates_are_judged_one_by_one(tern, named):
    create(tern, named)
    elsewhere = update("another", "c1", RUNNING, **CHILD)
    told = report(tern, named, elsewhere, update(named, "c1", RUNNING), update(named, "c2", RUNNING, task=CHILD["task"]),
                  update(named, "c3", RUNNING, parentName="a0"), update(named, "c4", RUNNING, **{**CHILD, "parentName": "c9"}),
                  update(named, "bad name", RUNNING, **CHILD), update(named, "c5", RUNNING, **CHILD),
                  update(named, "c5", SUCCEEDED, version=1, event={"outputs": {"outputUri": "s3://tern/other/x/outputs.pb"}}))
    assert [code for code, _ in told] == [3, 3, 3, 3, 5, 3, 0, 3], told
    for (_, message), field in zip(told, ("event.id.run", "parent_name", "parent_name", "spec", "", "event.id.name", "",
                                          "event.outputs.output_uri")):
        assert message.startswith(field), told
    assert [a["id"]["name"] for a in actions(tern, named)] == ["a0", "c5"]
    assert details(tern, named, "c5")["status"]["phase"] == "ACTION_PHASE_RUNNING"


def test_aborted(tern, named):
    create(tern, named)
    report(tern, named, update(named, "c1", RUNNING, **CHILD), update(named, "c1", SUCCEEDED, version=1),
           update(named, "c2", RUNNING, **CHILD))
    abort = {"runId": wire.run_id(named), "reason": "enough"}
    with wire.Watch(tern.endpoint, RPCS + "WatchActionDetails", {"actionId": {"run": wire.run_id(named), "name": "c2"}}) as c2:
        assert c2.next()["details"]["status"]["phase"] == "ACTION_PHASE_RUNNING"
        assert call(tern, "AbortRun", abort).status == 200 == call(tern, "AbortRun", abort).status
        assert c2.next()["details"]["abortInfo"]["reason"] == "enough"
    phases = {a["id"]["name"]: a["status"]["phase"].rpartition("_")[2] for a in actions(tern, named)}
    assert phases == {"a0": "ABORTED", "c1": "SUCCEEDED", "c2": "ABORTED"}
    told = report(tern, named, update(named, "c2", SUCCEEDED, version=1), update(named, "c3", RUNNING, **CHILD))
    assert [code for code, _ in told] == [10, 10] and all("abort" in m for _, m in told)


def test_many_updates(tern, named):
    create(tern, named)
    updates = [update(named, f"c{i}", RUNNING, **CHILD) for i in range(250)]
    assert report(tern, named, *updates) == [OK] * 250
    assert len(actions(tern, named)) == 251
    assert call(tern, "ReportActions", {"runId": wire.run_id(named), "updates": updates[:1] * 10001}).code == "invalid_argument"


def test_only_tracked_runs_are_seen(tern, named):
    assert wire.create_run(tern.endpoint, wire.sleeper(named)).status == 200
    run, action = {"runId": wire.run_id(named)}, {"actionId": {"run": wire.run_id(named), "name": "a0"}}
    for rpc, message in (("GetRunDetails", run), ("GetActionDetails", action), ("ListActions", run), ("AbortRun", run),
                         ("ReportActions", {**run, "updates": [update(named, "a0", SUCCEEDED)]})):
        assert call(tern, rpc, message).code == "not_found", rpc
    for rpc, message in (("WatchRunDetails", run), ("WatchActionDetails", action), ("WatchActions", run)):
        told = wire.post(tern.endpoint, RPCS + rpc, wire.frame(wire.json.dumps(message).encode()), "application/connect+json")
        assert wire.stream_error(told)[0] == "not_found", rpc
    listed = call(tern, "ListRuns", {"projectId": wire.PROJECT, "request": {"limit": 1000}}).json.get("runs", [])
    assert named not in {r["action"]["id"]["run"]["name"] for r in listed}
    create(tern, f"{named}-t")
    with wire.Watch(tern.endpoint, RPCS + "WatchRuns", {"projectId": wire.PROJECT}) as runs:
        first = [r["action"]["id"]["run"]["name"] for r in runs.next()["runs"]]
        assert first[0] == f"{named}-t" and named not in first
    with wire.Watch(tern.endpoint, RPCS + "WatchActions", {"runId": wire.run_id(f"{named}-t")}) as tree:
        assert tree.next()["enrichedActions"][0]["action"]["id"]["name"] == "a0"
    assert wire.call(tern.endpoint, wire.RUNS + "AbortRun", run).status == 200


@pytest.mark.parametrize("message, code, said", [
    ({"runId": wire.run_id("r-reserved")}, "invalid_argument", "run_id.name"),
    ({"runId": wire.run_id("users-own")}, "invalid_argument", "run_id.name"),
    ({"runId": wire.run_id("x" * 31)}, "invalid_argument", ""),
    ({"taskSpec": wire.task_spec("python")}, "invalid_argument", ""),
    ({"runId": wire.run_id("t1"), "taskId": {"project": "flytesnacks", "domain": "development", "name": "no", "version": "1"},
      "taskSpec": None}, "not_found", "task not found"),
    ({"runId": {**wire.run_id("t1"), "project": "nobody"}}, "not_found", ""),
    ({"runId": wire.run_id("t1"), "offloadedInputData": {"uri": "file:///etc/passwd", "inputsHash": "x"}},
     "invalid_argument", "offloaded_input_data.uri"),
    ({"runId": wire.run_id("t1"), "labels": {"": "x"}}, "invalid_argument", "run_spec.labels"),
])
def test_bad_runs(tern, message, code, said):
    full = {"taskSpec": wire.task_spec("python"), "runSpec": {}, **message}
    told = call(tern, "CreateRun", full)
    assert told.code == code and told.message.startswith(said), told


def test_a_run_without_a_name_gets_one(tern):
    told = call(tern, "CreateRun", {"projectId": wire.PROJECT, "taskSpec": wire.task_spec("python")})
    assert re.fullmatch("r[a-z0-9]{19}", told.json["run"]["action"]["id"]["run"]["name"]), told
    source = {**wire.sleeper("not-tracked"), "source": "RUN_SOURCE_TRACKED"}
    assert wire.create_run(tern.endpoint, source).code == "invalid_argument"


def test_it_goes_with_what_was_uploaded(make_tern):
    server = make_tern().start()
    server.cli("run", "--local", "--tracked", "--name", "local-old", "tracked.py", "double", "--x", "1")
    place = "uploads/flytesnacks/development/tracked-runs/local-old/"
    assert {k.removeprefix(place) for k in objects(server, place)} >= {"a0/inputs.pb", "a0/1/outputs.pb"}
    for name in ("one", "two"):  # the newest two runs always stay
        assert wire.create_run(server.endpoint, wire.sleeper(name, seconds=0)).status == 200
    restart_with(server, "--retention.runs", MOMENT)
    assert gc(server)["finished runs"] >= 1
    assert not objects(server, place) and "local-old" not in server.cli("get", "run").stdout
