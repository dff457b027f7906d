"""Failure handlers: a task that is started when a run has failed, as an action of the run."""
import json
import re

import handlers
import pytest
import wire
from waiting import wait_until

ENDED = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}


@pytest.fixture(scope="module")
def deployed(tern, sdk):
    tern.cli("deploy", "handlers.py", "env")


@pytest.fixture
def go(sdk, deployed):
    """go(task, handler, **inputs) -> the run, not waited for; handler None: as its environment says."""
    def start(task, handler=None, **inputs):
        variables = {} if handler is None else {"TERN_ON_FAILURE": handler}
        return sdk.with_runcontext(env_vars=variables).run(task, **inputs)
    return start


def actions(endpoint, run):
    a = wire.call(endpoint, wire.RUNS + "ListActions", {"runId": wire.run_id(run), "request": {"limit": 100}})
    return {x["id"]["name"]: x["status"]["phase"].removeprefix("ACTION_PHASE_") for x in a.json["actions"]}


def end_of_handler(endpoint, run):
    return wait_until(lambda: (p := actions(endpoint, run).get("on-failure")) in ENDED and p, f"the handler of {run}")


def said(endpoint, run):
    data = wire.call(endpoint, "/flyteidl2.dataproxy.DataProxyService/GetActionData",
                     {"actionId": {"run": wire.run_id(run), "name": "on-failure"}}).json
    return data["outputs"]["literals"][0]["value"]["scalar"]["primitive"]["stringValue"]


def test_handler_of_the_environment_gets_the_error_and_the_inputs(go, tern):
    run = go(handlers.fails, n=3)
    run.wait(quiet=True)
    assert end_of_handler(tern.endpoint, run.name) == "SUCCEEDED"
    assert said(tern.endpoint, run.name) == "3 of the handler None ValueError: bad 3"
    assert actions(tern.endpoint, run.name) == {"a0": "FAILED", "on-failure": "SUCCEEDED"}
    assert wire.phase(tern.endpoint, run.name) == "ACTION_PHASE_FAILED"


def test_run_that_succeeds_has_none(go, tern):
    run = go(handlers.fails, n=0)
    run.wait(quiet=True)
    failed = go(handlers.fails, n=1)  # ends later, and has been looked at
    end_of_handler(tern.endpoint, failed.name)
    assert actions(tern.endpoint, run.name) == {"a0": "SUCCEEDED"}


def test_handler_of_the_run_comes_before_the_environments(tern, deployed):
    done = tern.cli("run", "--follow", "-e", "TERN_ON_FAILURE=handlers.look", "handlers.py", "fails", "--n", "4", check=False)
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    assert end_of_handler(tern.endpoint, name) == "SUCCEEDED"
    assert said(tern.endpoint, name) == f"ValueError FAILED {name} a default"
    assert "on-failure" in tern.cli("get", "action", name).stdout


def test_it_can_be_switched_off(go, tern):
    run = go(handlers.fails, "", n=3)
    run.wait(quiet=True)
    other = go(handlers.fails, n=1)
    end_of_handler(tern.endpoint, other.name)
    assert actions(tern.endpoint, run.name) == {"a0": "FAILED"}


def test_aborted_run(go, tern):
    """It begins when everything else has ended, has children of its own, and is not ended by another abort of the run."""
    run = go(handlers.has_children, "cleans_up", seconds=600)
    wait_until(lambda: list(actions(tern.endpoint, run.name).values()).count("RUNNING") == 4, "the children")
    run.abort("enough of it")
    run.abort("really")
    assert end_of_handler(tern.endpoint, run.name) == "SUCCEEDED"
    assert said(tern.endpoint, run.name) == "enough of it 3"
    phases = actions(tern.endpoint, run.name)
    assert sorted(phases.values()) == 4 * ["ABORTED"] + 3 * ["SUCCEEDED"]
    assert wire.phase(tern.endpoint, run.name) == "ACTION_PHASE_ABORTED"


def test_run_that_took_too_long(go, tern):
    """What it had started is aborted first."""
    run = go(handlers.too_slow, "look")
    assert end_of_handler(tern.endpoint, run.name) == "SUCCEEDED"
    assert said(tern.endpoint, run.name) == f"DEADLINE_EXCEEDED TIMED_OUT {run.name} a default"
    phases = actions(tern.endpoint, run.name)
    assert (phases.pop("a0"), phases.pop("on-failure")) == ("TIMED_OUT", "SUCCEEDED") and set(phases.values()) <= {"ABORTED"}
    assert wire.phase(tern.endpoint, run.name) == "ACTION_PHASE_TIMED_OUT"


def test_handler_that_fails_has_none(go, tern):
    run = go(handlers.fails, "fails_too", n=1)
    assert end_of_handler(tern.endpoint, run.name) == "FAILED"
    other = go(handlers.fails, n=1)
    end_of_handler(tern.endpoint, other.name)
    assert len(actions(tern.endpoint, run.name)) == 2


def test_handler_can_be_aborted(go, tern):
    message = wire.sleeper("handled", 3600)
    sleeper = json.loads(json.dumps(message["taskSpec"]))
    sleeper["taskTemplate"]["id"]["name"] = "handlers.sleeper"
    made = wire.call(tern.endpoint, "/flyteidl2.task.TaskService/DeployTask", {
        "taskId": {**{k: sleeper["taskTemplate"]["id"][k] for k in ("project", "domain", "name", "version")}, "org": ""},
        "spec": {**sleeper, "defaultInputs": [{"name": "duration", "parameter": {
            "var": {"type": {"simple": "DURATION"}}, "default": {"scalar": {"primitive": {"duration": "3600s"}}}}}]}})
    assert made.status == 200, made
    message["runSpec"] = {"envs": {"values": [{"key": "TERN_ON_FAILURE", "value": "handlers.sleeper"}]}}
    assert wire.create_run(tern.endpoint, message).status == 200
    wire.abort(tern.endpoint, "handled", "a0")
    wait_until(lambda: actions(tern.endpoint, "handled").get("on-failure") == "RUNNING", "the handler")
    tern.cli("abort", "action", "handled", "on-failure")
    assert end_of_handler(tern.endpoint, "handled") == "ABORTED"


def test_handler_that_is_not_deployed(tern, deployed):
    message = wire.sleeper("nobody", 3600)
    message["runSpec"] = {"envs": {"values": [{"key": "TERN_ON_FAILURE", "value": "handlers.nobody"}]}}
    refused = wire.create_run(tern.endpoint, message)
    assert refused.code == "failed_precondition" and "handlers.nobody" in refused.message
    message["runSpec"]["envs"]["values"][0]["value"] = "handlers.tell:no-version"
    assert wire.create_run(tern.endpoint, message).code == "failed_precondition"
    message["taskSpec"]["taskTemplate"]["id"]["name"] = "handlers.sleeper"
    for name in ("nobody", "nobody:1.0"):
        message["runSpec"]["envs"]["values"][0]["value"] = name
        assert f"handlers.{name}" in wire.create_run(tern.endpoint, message).message


def test_handler_that_wants_what_nobody_has(go, tern):
    run = go(handlers.fails, "wants_more", n=1)
    assert end_of_handler(tern.endpoint, run.name) == "FAILED"
    error = wire.error(tern.endpoint, run.name, "on-failure")
    assert error["code"] == "FailureHandlerNotStarted" and "unknown" in error["message"]


def test_run_of_a_trigger_begins_although_its_handler_is_not_deployed(deployed, tern):
    trigger = {"project": "flytesnacks", "domain": "development", "taskName": "handlers.fails", "name": "by-hand"}
    assert wire.create_run(tern.endpoint, {"runId": wire.run_id("triggered"), "triggerName": trigger}).status == 200
    assert end_of_handler(tern.endpoint, "triggered") == "FAILED"
    assert "handlers.nobody" in wire.error(tern.endpoint, "triggered", "on-failure")["message"]


def test_kill_9_before_it_begins(make_tern, tern, deployed):
    server = make_tern()
    server.start()
    server.cli("deploy", "handlers.py", "env")
    message = wire.sleeper("killed", 3600)
    message["runSpec"] = {"envs": {"values": [{"key": "TERN_ON_FAILURE", "value": "handlers.cleans_up"}]}}
    assert wire.create_run(server.endpoint, message).status == 200
    wire.abort(server.endpoint, "killed", "a0")
    server.kill()
    server.restart()
    assert end_of_handler(server.endpoint, "killed") == "SUCCEEDED"


def test_tracked_run_has_none(tern, deployed):
    tracked = {"project": "flytesnacks", "domain": "development", "name": "elsewhere"}
    message = {"runId": tracked, "taskSpec": wire.task_spec("python"), "runSpec": {
        "envs": {"values": [{"key": "TERN_ON_FAILURE", "value": "handlers.tell"}]}}}
    path = "/flyteidl2.workflow.TrackedRunService/"
    assert wire.call(tern.endpoint, path + "CreateRun", message).status == 200
    aborted = wire.call(tern.endpoint, wire.RUNS + "AbortRun", {"runId": tracked})
    assert aborted.status == 200, aborted
    assert wire.create_run(tern.endpoint, dict(wire.sleeper("after"), runSpec={
        "envs": {"values": [{"key": "TERN_ON_FAILURE", "value": "handlers.cleans_up"}]}})).status == 200
    wire.abort(tern.endpoint, "after", "a0")
    assert end_of_handler(tern.endpoint, "after") == "SUCCEEDED"
    assert actions(tern.endpoint, "elsewhere") == {"a0": "ABORTED"}
