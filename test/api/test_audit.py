"""Who has changed what: tern audit, against what the real SDK did."""
import base64
import json
import os
import pwd
import re
import socket

import pytest
import wire
from test_buf_curl import all_methods
from test_executor import event, record, status

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def server(make_tern):
    return make_tern().start()


def audit(server, *options):
    lines = server.command("audit", "--json", *options).stdout.splitlines()
    return [json.loads(line) for line in lines]


def changes(server, *options):
    return [(row["rpc"].rsplit(".", 1)[-1], row["about"]) for row in audit(server, *options)]


def test_what_the_sdk_changes_is_written_down_and_what_it_reads_is_not(server):
    done = server.cli("run", "--follow", "basic.py", "main", "--n", 2)
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    server.cli("create", "secret", "token", "--value", "a-value-that-nobody-logs")
    server.cli("create", "project", "--id", "other", "--name", "Other")
    rows = audit(server)
    assert {(row["name"], row["subject"], row["address"]) for row in rows} == {(ME, f"uid:{os.getuid()}", "")}
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    made = changes(server)
    run = f"flytesnacks/development/{name}"
    assert ("RunService/CreateRun", f"{run}/a0") in made
    children = [about for rpc, about in made if rpc == "ActionsService/Enqueue"]
    assert children and all(about.startswith(run + "/") and about != f"{run}/a0" for about in children), made
    assert made[-2:] == [("SecretService/CreateSecret", "token"), ("ProjectService/CreateProject", "other")]
    server.cli("get", "run", name)
    server.cli("get", "io", name)
    server.cli("get", "secret")
    assert changes(server) == made
    assert "a-value-that-nobody-logs" not in server.command("audit").stdout


def test_what_was_refused_changed_nothing_and_what_was_acknowledged_is_there_after_a_kill(server):
    before = wire.projects(server.endpoint)
    for name in ("p1", "p2", "p3"):
        assert wire.create_project(server.endpoint, name).status == 200
    assert wire.create_project(server.endpoint, "p2").code == "already_exists"
    assert wire.create_project(server.endpoint, "No Such Name").code == "invalid_argument"
    server.kill()
    server.restart()
    assert wire.projects(server.endpoint) - before == {"p1", "p2", "p3"}
    assert changes(server) == [("ProjectService/CreateProject", p) for p in ("p1", "p2", "p3")]


def test_a_stream_is_there_once_and_only_when_a_message_has_changed_something(make_tern):
    server = make_tern(args=["--auth.executors", os.getuid()]).start()
    path = "/flyteidl2.workflow.InternalRunService/RecordActionStream"
    assert wire.create_run(server.endpoint, wire.sleeper("streamed")).status == 200
    made = changes(server)

    def send(*messages):
        body = b"".join(wire.frame(json.dumps(m).encode()) for m in messages)
        return wire.stream_error(wire.post(server.endpoint, path, body, "application/connect+json"))[0]

    def record(name):
        task = {"id": wire.task_spec("core-sleep")["taskTemplate"]["id"], "spec": wire.task_spec("core-sleep")}
        return {"request": {"actionId": {"run": wire.run_id("streamed"), "name": name}, "parent": "a0", "task": task,
                            "inputUri": f"s3://tern/flytesnacks/development/streamed/{name}/inputs.pb"}}

    assert send() is None and send({"request": {}}) == "invalid_argument"
    assert changes(server) == made
    assert send(record("x"), record("y")) is None
    assert [rpc for rpc, _ in changes(server)[len(made):]] == ["InternalRunService/RecordActionStream"]


def test_questions(server):
    for name in ("one", "two", "three"):
        wire.create_project(server.endpoint, name)
    wire.create_run(server.endpoint, wire.sleeper("asleep"))
    wire.call(server.endpoint, wire.RUNS + "AbortRun", {"runId": wire.run_id("asleep")})
    run = "flytesnacks/development/asleep"
    assert changes(server, "--about", "asleep") == [("RunService/CreateRun", f"{run}/a0"), ("RunService/AbortRun", run)]
    assert [about for _, about in changes(server, "--rpc", "CreateProject", "--limit", 2)] == ["two", "three"]
    middle = audit(server, "--about", "three")[0]["time"]
    assert [about for _, about in changes(server, "--since", middle)] == ["three", f"{run}/a0", run]
    assert [about for _, about in changes(server, "--until", middle)] == ["one", "two"]
    assert len(audit(server, "--who", ME, "--since", "1h")) == len(audit(server, "--who", f"uid:{os.getuid()}")) == 5
    assert audit(server, "--who", "somebody-else") == []
    text = server.command("audit").stdout
    assert len(text.splitlines()) == 5 and re.search(rf"^\S+Z {ME} +local +RunService.AbortRun +{run}$", text, re.M), text
    wrong = server.command("audit", "--since", "yesterday", check=False)
    assert wrong.returncode == 2 and "--since" in wrong.stderr


def test_old_rows_go(make_tern):
    server = make_tern(args=["--retention.audit", "1ms"]).start()
    wire.create_project(server.endpoint, "one")
    assert changes(server) == [("ProjectService/CreateProject", "one")]
    assert re.search(r"audit rows +1 ", server.command("gc", "--dry-run").stdout)
    server.command("gc")
    assert [row["rpc"] for row in audit(server)] == ["tern gc"], "the sweep is a change too"


# ---- every RPC that changes something ---------------------------------------------------------------------------------

P = "/flyteidl2."
# What only reads, by the names that such RPCs have; and the others that do.
READS = re.compile(r"/(Get(?!OrExtend)|List|Watch|Tail|Lease|Check$)")
OTHER_READS = re.compile(r"UserInfo|SelectCluster|TranslatorService|ServerReflectionInfo")
# Apps are not there; tasks of connectors need one.
NOT_ASKED = re.compile(r"\.app\.|AsyncConnectorService")
RUN = {"runId": wire.run_id("reported")}
SCOPE = {"project": "flytesnacks", "domain": "development"}
INPUTS = "s3://tern/flytesnacks/development/reported/inputs.pb"
URI = "s3://tern/flytesnacks/development/made/a0/1/outputs.pb"
TASK = {**SCOPE, "name": "t.core-echo", "version": "v1"}
TRIGGER = {**SCOPE, "taskName": "t.core-echo", "name": "by-hand"}
FILE = {"contentMd5": base64.b64encode(b"0" * 16).decode(), "filename": "x"}


def ask_for(name):
    """A condition below the root: Enqueue by its older name has the same fields."""
    action = wire.child("reported", name, "a0", INPUTS, "child")["action"]
    del action["task"]
    return {**action, "condition": {"name": f"ask-{name}", "prompt": "?", "type": {"simple": "INTEGER"}}}


def of(name):
    return {"actionId": {"run": wire.run_id("reported"), "name": name}}


def cache_calls():
    entry = {"outputUri": URI, "metadata": {"keyMap": {"values": {}}}}
    for service, word in (("", "kept"), ("v2.", "flytesnacks/development")):
        for rpc, fields in (("Put", {"output": entry}), ("GetOrExtendReservation", {"ownerId": "me"}), ("ReleaseReservation", {"ownerId": "me"}),
                            ("Delete", {})):
            message = {"key": "kept", **fields}
            yield f"cacheservice.{service}CacheService/{rpc}", {"baseRequest": message, "identifier": SCOPE} if service else message, word


def tracked_report():
    return {"event": {"id": {"run": wire.run_id("local-1"), "name": "a0"}, "attempt": 1, "phase": "ACTION_PHASE_RUNNING",
                      "updatedTime": "2026-01-02T03:04:05Z"}}


def with_code(told):
    """A task with code: what was uploaded before."""
    spec, uploaded = wire.task_spec("core-echo"), told["dataproxy.DataProxyService/UploadInputs"]["offloadedInputData"]
    spec["taskTemplate"]["metadata"] = {"codeBundleUri": uploaded["uri"] + "/inputs.pb"}
    return {"taskId": TASK, "spec": spec}


# In this order, each of which goes well: the RPC, its message (or a function of the answers until then), and a word of what it is
# about.
CHANGES = (
    ("project.ProjectService/CreateProject", {"project": {"id": "audited", "name": "Audited"}}, "audited"),
    ("project.ProjectService/UpdateProject", {"project": {"id": "audited", "name": "Other"}}, "audited"),
    ("org.DomainService/CreateDomain", {"org": "x", "id": "qa"}, "qa"),
    ("org.DomainService/UpdateDomain", {"org": "x", "id": "qa", "friendlyName": "QA"}, "qa"),
    ("org.DomainService/DeleteDomain", {"org": "x", "id": "qa"}, "qa"),
    ("secret.SecretService/CreateSecret", {"id": {"name": "s", **SCOPE}, "secretSpec": {"stringValue": "hidden"}}, "s"),
    ("secret.SecretService/UpdateSecret", {"id": {"name": "s", **SCOPE}, "secretSpec": {"stringValue": "hidden"}}, "s"),
    ("secret.SecretService/DeleteSecret", {"id": {"name": "s", **SCOPE}}, "s"),
    ("settings.SettingsService/CreateSettings", {"key": {"domain": "staging", "project": "audited"}, "settings": {}}, "audited"),
    ("settings.SettingsService/UpdateSettings", {"key": {"domain": "staging", "project": "audited"}, "settings": {}, "version": "1"}, "audited"),
    ("dataproxy.DataProxyService/CreateUploadLocation", {**SCOPE, **FILE}, "flytesnacks"),
    ("dataproxy.DataProxyService/UploadInputs", {"projectId": {"name": "flytesnacks", "domain": "development"}, "inputs": {},
                                                 "taskSpec": wire.task_spec("core-echo")}, "flytesnacks"),
    ("task.TaskService/DeployTask", with_code, "t.core-echo"),
    ("dataproxy.DataProxyService/CreateDownloadLink", {"artifactType": "ARTIFACT_TYPE_CODE_BUNDLE", "taskId": TASK}, "t.core-echo"),
    ("trigger.TriggerService/DeployTrigger", {"name": TRIGGER, "automationSpec": {"type": "TYPE_NONE"},
                                              "spec": {"active": True, "taskVersion": "v1"}}, "by-hand"),
    ("trigger.TriggerService/UpdateTriggers", {"names": [TRIGGER], "active": False}, "by-hand"),
    ("trigger.TriggerService/DeleteTriggers", {"names": [TRIGGER]}, "by-hand"),
    ("artifact.ArtifactService/DeclareArtifact", {"name": {**SCOPE, "name": "numbers"}, "partitionSchema": {}}, "numbers"),
    ("artifact.ArtifactService/CreateArtifact", {"artifactId": {"name": {**SCOPE, "name": "numbers"}, "version": "1"}, "spec": {
        "value": {"scalar": {"primitive": {"integer": "7"}}}, "type": {"simple": "INTEGER"}}}, "numbers"),
    ("artifact.ArtifactService/DeleteArtifact", {"artifactId": {"name": {**SCOPE, "name": "numbers"}, "version": "1"}}, "numbers"),
    *cache_calls(),
    ("workflow.RunService/CreateRun", wire.sleeper("reported"), "reported/a0"),
    ("actions.ActionsService/Enqueue", {"action": ask_for("x")}, "reported/x"),
    ("workflow.QueueService/EnqueueAction", ask_for("y"), "reported/y"),
    ("workflow.RunService/SignalEvent", {**of("x"), "parentActionName": "a0", "payload": {"intValue": 1}}, "reported/x"),
    ("actions.ActionsService/Signal", {**of("y"), "parentActionName": "a0", "value": {"scalar": {"primitive": {"integer": "1"}}}}, "reported/y"),
    ("workflow.StateService/Put", {**of("x"), "state": "{}"}, "reported/x"),
    ("workflow.InternalRunService/RecordAction", record("theirs"), "reported/theirs"),
    ("workflow.InternalRunService/UpdateActionStatus", status("theirs", "ACTION_PHASE_RUNNING"), "reported/theirs"),
    ("workflow.InternalRunService/RecordActionEvents", {"events": [event("theirs", "ACTION_PHASE_RUNNING")]}, "theirs"),
    ("workflow.EventsProxyService/Record", {"events": [event("theirs", "ACTION_PHASE_RUNNING", version=1)]}, "theirs"),
    ("workflow.InternalRunService/RecordActionStream", {"request": record("streamed")}, ""),
    ("workflow.InternalRunService/UpdateActionStatusStream", {"request": status("streamed", "ACTION_PHASE_RUNNING"), "nonce": "1"}, ""),
    ("workflow.InternalRunService/RecordActionEventStream", {"request": {"event": event("streamed", "ACTION_PHASE_RUNNING")}, "nonce": "1"}, ""),
    ("actions.ActionsService/Update", {**of("theirs"), "attempt": 1, "status": {"phase": "ACTION_PHASE_RUNNING", "attempts": 2}}, "reported/theirs"),
    ("actions.ActionsService/Abort", of("theirs"), "reported/theirs"),
    ("workflow.QueueService/AbortQueuedAction", of("streamed"), "reported/streamed"),
    ("workflow.RunService/AbortAction", of("a0"), "reported/a0"),
    ("workflow.RunService/AbortRun", RUN, "reported"),
    ("workflow.QueueService/AbortQueuedRun", RUN, "reported"),
    ("workflow.TrackedRunService/CreateRun", {"runId": wire.run_id("local-1"), "taskSpec": wire.task_spec("python"), "runSpec": {}}, "local-1"),
    ("workflow.TrackedRunService/ReportActions", {"runId": wire.run_id("local-1"), "updates": [tracked_report()]}, "local-1"),
    ("workflow.TrackedRunService/AbortRun", {"runId": wire.run_id("local-1")}, "local-1"),
)


def test_every_rpc_that_changes_something_is_written_down(make_tern):
    server = make_tern(args=["--auth.executors", os.getuid()]).start()
    rpcs = [m for m in all_methods(server) if not READS.search(m) and not OTHER_READS.search(m) and not NOT_ASKED.search(m)]
    assert sorted(rpcs) == sorted(P[1:] + rpc for rpc, _, _ in CHANGES)
    told = {}
    for rpc, message, _ in CHANGES:
        message = message(told) if callable(message) else message
        if rpc.endswith("Stream"):
            answer = wire.post(server.endpoint, P + rpc, wire.frame(json.dumps(message).encode()), "application/connect+json")
            assert wire.stream_error(answer) == (None, ""), (rpc, answer)
        else:
            answer = wire.call(server.endpoint, P + rpc, message)
            assert answer.status == 200 and not answer.json.get("status", {}).get("code"), (rpc, answer)
            told[rpc] = answer.json
    rows = audit(server)
    assert [row["rpc"] for row in rows] == [P + rpc for rpc, _, _ in CHANGES]
    assert {row["subject"] for row in rows} == {f"uid:{os.getuid()}"}
    vague = [(row["rpc"], row["about"], word) for row, (_, _, word) in zip(rows, CHANGES) if word not in row["about"]]
    assert vague == []


# ---- from where -------------------------------------------------------------------------------------------------------


def own_address():
    """One of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


@pytest.mark.skipif(not own_address(), reason="this machine has no address but loopback")
def test_from_where_it_was_changed(make_tern):
    """The address of who called: of a proxy, with the name that it says."""
    address = own_address()
    server = make_tern(args=["--allow-remote", "--security.hosts", "*", "--auth.trusted_proxies", address])
    port = server.start(listen="0.0.0.0:0").endpoint.rpartition(":")[2]
    alice = {"X-Forwarded-User": "alice@idp", "X-Forwarded-Preferred-Username": "Alice"}
    for name, headers in (("p1", {}), ("p2", alice)):
        answer = wire.call(f"{address}:{port}", wire.PROJECTS + "CreateProject", {"project": {"id": name, "name": name}}, headers=headers)
        assert answer.status == 200, answer
    wire.create_project(f"127.0.0.1:{port}", "p3")
    rows = [(row["about"], row["address"], row["subject"], row["name"]) for row in audit(server)]
    assert rows[1:] == [("p2", address, "alice@idp", "Alice"), ("p3", "", f"uid:{os.getuid()}", ME)]
    assert rows[0][:2] == ("p1", address) and rows[0][2] != "alice@idp"
    assert re.search(rf"^\S+Z Alice +{re.escape(address)} +ProjectService.CreateProject +p2$", server.command("audit").stdout, re.M)
