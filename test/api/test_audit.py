"""Who has changed what: tern audit, against what the real SDK did."""
import json
import os
import pwd
import re

import pytest
import wire

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
