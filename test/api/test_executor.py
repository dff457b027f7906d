"""External executors: who may report, about what, and what clients see of it (D-32)."""
import os

import pytest

import wire

INTERNAL = "/flyteidl2.workflow.InternalRunService/"
ACTIONS = "/flyteidl2.actions.ActionsService/"
EVENTS = "/flyteidl2.workflow.EventsProxyService/Record"
RUN = "reported"
OK, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION = 0, 3, 5, 9


def action(name):
    return {"run": wire.run_id(RUN), "name": name}


def record(name, parent="a0"):
    task = {"id": wire.task_spec("core-sleep")["taskTemplate"]["id"], "spec": wire.task_spec("core-sleep")}
    return {"actionId": action(name), "parent": parent, "inputUri": f"s3://tern/flytesnacks/development/{RUN}/{name}/inputs.pb", "task": task}


def status(name, phase, attempts=1, **more):
    return {"actionId": action(name), "status": {"phase": phase, "attempts": attempts, **more}}


def event(name, phase, attempt=1, **more):
    return {"id": action(name), "attempt": attempt, "phase": phase, "updatedTime": "2026-01-01T00:00:00Z", **more}


CALLS = {
    INTERNAL + "RecordAction": record("x"),
    INTERNAL + "UpdateActionStatus": status("a0", "ACTION_PHASE_SUCCEEDED"),
    INTERNAL + "RecordActionEvents": {"events": [event("a0", "ACTION_PHASE_SUCCEEDED")]},
    EVENTS: {"events": [event("a0", "ACTION_PHASE_SUCCEEDED")]},
    ACTIONS + "Update": {"actionId": action("a0"), "attempt": 1,
                         "status": {"phase": "ACTION_PHASE_SUCCEEDED", "attempts": 1}},
}
STREAMS = {
    INTERNAL + "RecordActionStream": {"request": record("y")},
    INTERNAL + "UpdateActionStatusStream": {"request": status("a0", "ACTION_PHASE_SUCCEEDED"), "nonce": "7"},
    INTERNAL + "RecordActionEventStream": {"request": {"event": event("a0", "ACTION_PHASE_SUCCEEDED")}, "nonce": "8"},
}


def outcome(answer):
    """The code: of the call, or of the status inside of its reply."""
    if answer.status != 200:
        return answer.code
    return answer.json.get("status", {}).get("code", OK)


def stream(endpoint, path, message):
    """The one reply to one message of a bidirectional stream."""
    answer = wire.post(endpoint, path, wire.frame(wire.json.dumps(message).encode()), "application/connect+json")
    frames = list(wire.frames(answer.body))
    return wire.json.loads(frames[0][1])


def details(endpoint, name):
    return wire.call(endpoint, wire.RUNS + "GetActionDetails", {"actionId": action(name)}).json.get("details")


def untouched(endpoint):
    """The root, which sleeps in the engine, has not ended."""
    return "endTime" not in details(endpoint, "a0")["status"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from harness import Tern
    t = Tern(tmp_path_factory.mktemp("executor") / "t", args=["--auth.executors", str(os.getuid())])
    t.start()
    assert wire.create_run(t.endpoint, wire.sleeper(RUN)).status == 200
    yield t.endpoint
    t.finish()


@pytest.fixture(scope="module")
def plain(tern):
    assert wire.create_run(tern.endpoint, wire.sleeper(RUN)).status == 200
    yield tern.endpoint
    assert untouched(tern.endpoint)
    wire.abort(tern.endpoint, RUN, "a0")


@pytest.mark.parametrize("path", CALLS)
def test_nobody_has_the_role(plain, path):
    assert outcome(wire.call(plain, path, CALLS[path])) in ("permission_denied", 7)
    assert details(plain, "x") is None


@pytest.mark.parametrize("path", STREAMS)
def test_nobody_has_the_role_on_streams(plain, path):
    assert stream(plain, path, STREAMS[path])["response"]["status"]["code"] == 7
    assert details(plain, "y") is None


@pytest.mark.parametrize("path", [p for p in CALLS if not p.endswith("/RecordAction")])
def test_what_the_server_runs_itself_is_not_theirs(server, path):
    assert outcome(wire.call(server, path, CALLS[path])) in ("failed_precondition", FAILED_PRECONDITION)
    assert untouched(server)


@pytest.mark.parametrize("path", [p for p in STREAMS if not p.endswith("/RecordActionStream")])
def test_what_the_server_runs_itself_is_not_theirs_on_streams(server, path):
    reply = stream(server, path, STREAMS[path])
    assert reply["response"]["status"]["code"] == FAILED_PRECONDITION and reply["nonce"] == STREAMS[path]["nonce"]


def test_life_of_a_reported_action(server):
    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("theirs"))) == OK
    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("theirs"))) == OK, "again changes nothing"
    assert outcome(wire.call(server, INTERNAL + "UpdateActionStatus", status("theirs", "ACTION_PHASE_RUNNING"))) == OK
    seen = details(server, "theirs")
    assert seen["status"]["phase"] == "ACTION_PHASE_RUNNING" and seen["metadata"]["parent"] == "a0"
    assert wire.call(server, EVENTS, {"events": [
        event("theirs", "ACTION_PHASE_RUNNING", clusterEvents=[
            {"occurredAt": "2026-01-01T01:02:03Z", "type": "TYPE_NORMAL", "reason": "<Pulled>", "message": "pulled a & b"}]),
        event("theirs", "ACTION_PHASE_FAILED", errorInfo={"kind": "KIND_USER", "message": "their error"}),
    ]}).status == 200
    assert outcome(wire.call(server, INTERNAL + "UpdateActionStatus", status("theirs", "ACTION_PHASE_FAILED"))) == OK
    seen = details(server, "theirs")
    assert seen["status"]["phase"] == "ACTION_PHASE_FAILED" and seen["errorInfo"]["message"] == "their error"
    attempt, = seen["attempts"]
    assert attempt["phase"] == "ACTION_PHASE_FAILED" and attempt["clusterEvents"][0]["message"] == "pulled a & b"
    page = wire.run_page(server, RUN, action="theirs")
    assert "01:02:03" in page and "<td>&lt;Pulled&gt;</td>" in page and "pulled a &amp; b" in page
    late = status("theirs", "ACTION_PHASE_RUNNING")
    assert outcome(wire.call(server, INTERNAL + "UpdateActionStatus", late)) == OK, "late reports are no errors"
    assert details(server, "theirs")["status"]["phase"] == "ACTION_PHASE_FAILED"


def test_reports_out_of_order_and_again(server):
    def report(phase, attempts):
        assert outcome(wire.call(server, INTERNAL + "UpdateActionStatus", status("retried", f"ACTION_PHASE_{phase}", attempts))) == OK
        seen = details(server, "retried")["status"]
        return seen["phase"].removeprefix("ACTION_PHASE_"), seen["attempts"]

    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("retried"))) == OK
    assert report("RUNNING", 1) == ("RUNNING", 1)
    assert report("FAILED", 1) == ("FAILED", 1)
    assert report("RUNNING", 1) == ("FAILED", 1)
    assert report("RUNNING", 2) == ("RUNNING", 2)
    assert report("SUCCEEDED", 2) == ("SUCCEEDED", 2)
    assert report("RUNNING", 2) == report("FAILED", 3) == ("SUCCEEDED", 2)
    said = event("retried", "ACTION_PHASE_RUNNING", clusterEvents=[{"occurredAt": "2026-01-01T00:00:00Z", "message": "pulled"}])
    assert wire.call(server, EVENTS, {"events": [said]}).status == 200
    once = details(server, "retried")
    assert "pulled" in str(once["attempts"])
    assert wire.call(server, EVENTS, {"events": [said, said]}).status == 200
    assert details(server, "retried") == once


def test_life_by_streams(server):
    assert stream(server, INTERNAL + "RecordActionStream", {"request": record("streamed")})["response"].get("status", {}) == {}
    reply = stream(server, INTERNAL + "RecordActionEventStream",
                   {"request": {"event": event("streamed", "ACTION_PHASE_RUNNING")}, "nonce": "1"})
    assert reply["nonce"] == "1" and not reply["response"].get("status", {}).get("code")
    reply = stream(server, INTERNAL + "UpdateActionStatusStream",
                   {"request": status("streamed", "ACTION_PHASE_SUCCEEDED"), "nonce": "2"})
    assert reply["nonce"] == "2" and not reply["response"].get("status", {}).get("code")
    assert details(server, "streamed")["status"]["phase"] == "ACTION_PHASE_SUCCEEDED"


def test_update(server):
    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("updated"))) == OK
    report = {"actionId": action("updated"), "attempt": 1,
              "status": {"phase": "ACTION_PHASE_RUNNING", "attempts": 2, "cacheStatus": "CACHE_MISS"}}
    assert wire.call(server, ACTIONS + "Update", report).status == 200
    seen = details(server, "updated")["status"]
    assert seen["attempts"] == 2 and seen["cacheStatus"] == "CACHE_MISS"


def test_unknown_action(server):
    a = wire.call(server, INTERNAL + "UpdateActionStatus", status("nosuch", "ACTION_PHASE_RUNNING"))
    assert outcome(a) == NOT_FOUND
    assert wire.call(server, EVENTS, {"events": [event("nosuch", "ACTION_PHASE_RUNNING")]}).code == "not_found"


def test_events_of_a_batch_are_all_or_none(server):
    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("batch"))) == OK
    wire.call(server, EVENTS, {"events": [event("batch", "ACTION_PHASE_RUNNING"), event("nosuch", "ACTION_PHASE_RUNNING")]})
    assert all(t["phase"] != "ACTION_PHASE_RUNNING" for t in details(server, "batch").get("attempts", []))


BASE = f"s3://tern/flytesnacks/development/{RUN}"
FOREIGN = ["file:///etc/passwd", "s3://other/flytesnacks/development/x", "s3://tern/uriteam/development/r/x",
           f"{BASE}/../other/x", f"{BASE}/a/%2e%2e/b"]


@pytest.fixture(scope="module")
def named(server):
    """An action that reports of URIs are about."""
    assert outcome(wire.call(server, INTERNAL + "RecordAction", record("named"))) == OK
    return event("named", "ACTION_PHASE_SUCCEEDED")


def error_of(answer):
    """(code, message), wherever the answer has them."""
    if answer.status != 200:
        return answer.code, answer.message
    return answer.json["status"]["code"], answer.json["status"]["message"]


@pytest.mark.parametrize("uri", FOREIGN)
def test_inputs_that_are_not_the_runs(server, uri):
    refused = {**record("foreign"), "inputUri": uri}
    code, message = error_of(wire.call(server, INTERNAL + "RecordAction", refused))
    assert code in ("invalid_argument", INVALID_ARGUMENT) and "input_uri" in message
    assert details(server, "foreign") is None


@pytest.mark.parametrize("path", [EVENTS, INTERNAL + "RecordActionEvents"])
@pytest.mark.parametrize("field", ["outputUri", "reportUri"])
def test_results_that_are_not_the_runs(server, named, path, field):
    for uri in [*FOREIGN, "s3://tern/flytesnacks/development/other/a0/1/outputs.pb"]:
        code, message = error_of(wire.call(server, path, {"events": [{**named, "outputs": {field: uri}}]}))
        name = {"outputUri": "output_uri", "reportUri": "report_uri"}[field]
        assert code in ("invalid_argument", INVALID_ARGUMENT) and f"event.outputs.{name}" in message, uri
    assert not any("endTime" in t for t in details(server, "named").get("attempts", []))


def test_results_of_the_run(server, named):
    uris = {"outputUri": f"{BASE}/named/1/outputs.pb", "reportUri": f"{BASE}/named/1/report.html"}
    assert wire.call(server, EVENTS, {"events": [{**named, "outputs": uris}]}).status == 200
    attempt, = details(server, "named")["attempts"]
    assert attempt["outputs"]["outputUri"] == uris["outputUri"] and attempt["phase"] == "ACTION_PHASE_SUCCEEDED"
