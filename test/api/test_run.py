"""Runs: in every way that a user starts one, nested, mapped, grouped."""
import asyncio
import os
import pwd
import re
import subprocess
import sys
import time

import basic
import pytest
import wire
from flyte.remote import Action
from flyteidl2.common.identifier_pb2 import RunIdentifier
from flyteidl2.workflow.run_service_pb2 import GetRunDetailsRequest, GetRunDetailsResponse
from google.protobuf.json_format import MessageToJson, Parse, ParseDict

PROGRAMS = basic.__file__.rsplit("/", 1)[0]


def test_run_nested_map(run):
    assert run(basic.main, n=5).outputs()[0] == 30


def test_run_async_nested(run):
    assert run(basic.nested, n=4).outputs()[0] == 6


def test_client_that_is_async(sdk):
    async def go():
        r = await sdk.run.aio(basic.nested, n=4)
        await r.wait.aio(quiet=True)
        return (await r.outputs.aio())[0]

    assert asyncio.run(go()) == 6


def test_groups_are_recorded(run, sdk):
    r = run(basic.grouped, n=3)
    assert r.outputs()[0] == [0, 1, 2, 100, 101, 102]
    groups = sorted(a.pb2.metadata.group for a in Action.listall(for_run_name=r.name) if a.pb2.metadata.group)
    assert groups == ["first"] * 3 + ["second"] * 3


def test_same_call_many_times_is_many_actions(run):
    r = run(basic.same_call_twice, x=1)
    assert r.outputs()[0] == [2, 2, 2, 2]
    assert len(list(Action.listall(for_run_name=r.name))) == 5


def test_child_names_do_not_depend_on_the_run(run):
    names = [sorted(a.name for a in Action.listall(for_run_name=run(basic.nested, n=3).name)) for _ in range(2)]
    assert names[0] == names[1] and len(names[0]) == 4


def test_recursion_deeper_than_the_machine_has_slots(run):
    assert run(basic.recur, depth=8).outputs()[0] == 8


def test_custom_context_reaches_children(run):
    assert run(basic.context_parent).outputs()[0]["colour"] == "green"


def test_env_vars_and_labels(sdk, run):
    r = run(basic.environment, names=["MY_VAR", "RUN_NAME", "ACTION_NAME", "_U_USE_ACTIONS"],
            context={"env_vars": {"MY_VAR": "v"}, "labels": {"team": "blue"}})
    seen = r.outputs()[0]
    assert seen == {"MY_VAR": "v", "RUN_NAME": r.name, "ACTION_NAME": "a0", "_U_USE_ACTIONS": "1"}
    assert dict(r.details().pb2.run_spec.labels.values)["team"] == "blue"


def test_details_are_the_same_in_both_codecs(tern):
    """The binary reply has the specs as they are stored, the JSON reply has them decoded."""
    spec = {"labels": {"values": {"team": "blue"}}, "runStartTime": "2020-02-03T04:05:06Z", "interruptible": True}
    answer = wire.create_run(tern.endpoint, {**wire.sleeper("codecs", seconds=0), "runSpec": spec})
    assert answer.status == 200, answer
    while wire.phase(tern.endpoint, "codecs") != "ACTION_PHASE_SUCCEEDED":
        time.sleep(0.01)
    request = GetRunDetailsRequest(run_id=ParseDict(wire.run_id("codecs"), RunIdentifier()))
    path = wire.RUNS + "GetRunDetails"
    binary = wire.post(tern.endpoint, path, request.SerializeToString(), "application/proto")
    text = wire.post(tern.endpoint, path, MessageToJson(request).encode())
    told = GetRunDetailsResponse.FromString(binary.body)
    assert told == Parse(text.body, GetRunDetailsResponse())
    assert told.details.run_spec.run_start_time.ToJsonString() == spec["runStartTime"]
    assert told.details.run_spec.labels.values["team"] == "blue" and told.details.run_spec.interruptible.value


def test_named_run_and_its_duplicate(sdk, run):
    assert run(basic.nothing, text="x", context={"name": "my-first-run"}).name == "my-first-run"
    try:
        sdk.with_runcontext(name="my-first-run").run(basic.nothing, text="other")
    except Exception as e:
        assert "already" in str(e).lower()
    else:
        raise AssertionError("a second run of the same name was accepted")


def test_names_that_the_server_gives(tern):
    message = wire.sleeper("", seconds=0)
    del message["runId"]
    made = [wire.create_run(tern.endpoint, {**message, "projectId": wire.PROJECT}).json for _ in range(10)]
    names = {m["run"]["action"]["id"]["run"]["name"] for m in made}
    assert len(names) == 10 and all(re.fullmatch("r[bcdfghjklmnpqrstvwxz2456789]{19}", n) for n in names), names


@pytest.mark.parametrize("name", ["", "x" * 31, "Upper", "1st", "-a", "a-", "a_b", "a.b", "a/b", "ä"])
def test_names_that_are_none(tern, name):
    answer = wire.create_run(tern.endpoint, wire.sleeper(name))
    assert answer.code == "invalid_argument" and "name" in answer.message, answer


def test_a_duplicate_leaves_the_inputs(tern):
    def inputs():
        root = {"actionId": {"run": wire.run_id("twice"), "name": "a0"}}
        return wire.call(tern.endpoint, "/flyteidl2.dataproxy.DataProxyService/GetActionData", root).json["inputs"]

    assert wire.create_run(tern.endpoint, wire.sleeper("twice", seconds=1)).status == 200
    before = inputs()
    assert wire.create_run(tern.endpoint, wire.sleeper("twice", seconds=2)).code == "already_exists"
    assert inputs() == before and '"1s"' in wire.json.dumps(before)


def test_run_without_outputs(run):
    run(basic.nothing, text="hello")


def test_inputs_can_be_read_back(run):
    r = run(basic.nested, n=2)
    assert dict(r.inputs())["n"] == 2


def test_cancel_of_a_child(run):
    assert run(basic.cancels, seconds=120.0).outputs()[0] == "cancelled"


# ---- the command line -------------------------------------------------------------------------------------------------

def run_name(text):
    return re.search(r"/runs/([a-z0-9-]+)", text.replace("\n", "")).group(1)


def test_cli_run_follow_prints_the_log(cli):
    done = cli("run", "--follow", "basic.py", "nothing", "--text", "from the task")
    assert "nothing: from the task" in done.stdout


def test_cli_run_by_file_and_get(cli):
    done = cli("run", "--follow", "basic.py", "main", "--n", "4")
    name = run_name(done.stdout)
    assert name in cli("-of", "json", "get", "run").stdout
    assert "a0" in cli("get", "action", name).stdout
    assert "14" in cli("get", "io", name).stdout
    cli("get", "logs", name)


def test_cli_deploy_and_run_deployed(cli):
    cli("deploy", "basic.py", "env")
    assert "basic.main" in cli("get", "task").stdout
    done = cli("run", "--follow", "deployed-task", "basic.main", "--n", "3")
    name = run_name(done.stdout)
    assert "5" in cli("get", "io", name).stdout
    assert "basic.main" in cli("get", "task", "basic.main").stdout


def test_deployed_task_by_name_from_the_sdk(sdk, cli):
    from flyte.remote import Task
    cli("deploy", "basic.py", "env")
    r = sdk.run(Task.get("basic.main", auto_version="latest"), n=4)
    r.wait(quiet=True)
    assert r.outputs()[0] == 14


def test_cli_run_by_name(cli):
    cli("run", "--name", "named-here", "--follow", "basic.py", "nothing", "--text", "x")
    assert "SUCCEEDED" in cli("get", "run", "named-here").stdout.upper()
    again = cli("run", "--name", "named-here", "basic.py", "nothing", "--text", "other", check=False)
    assert again.returncode != 0 and "already exists" in (again.stdout + again.stderr).lower()


def test_cli_abort_action(cli, sdk):
    """The child ends, its parent learns it and ends with what it caught."""
    name = run_name(cli("run", "basic.py", "outlives", "--seconds", "300").stdout)
    child = None
    while not child:
        child = next((a.name for a in Action.listall(for_run_name=name) if a.task_name == "basic.slow"), None)
        time.sleep(0.2)
    cli("abort", "action", name, child, "--reason", "this one only")
    r = sdk.remote.Run.get(name)
    r.wait(quiet=True)
    assert "outlived" in cli("get", "io", name).stdout
    assert "ABORTED" in cli("get", "action", name, child).stdout.upper()


def test_cli_abort_run(cli, tern):
    done = cli("run", "basic.py", "slow", "--seconds", "300")
    name = run_name(done.stdout)
    cli("abort", "run", name, "--reason", "enough")
    out = cli("get", "run", name).stdout
    assert "ABORTED" in out.upper()


def test_cli_get_code(cli, tmp_path):
    if "code" not in cli("get", "--help").stdout:
        pytest.skip("this SDK's command line has no `get code`")
    done = cli("run", "--follow", "basic.py", "nothing", "--text", "x")
    assert "basic.py" in cli("get", "code", run_name(done.stdout)).stdout
    cli("get", "code", run_name(done.stdout), "--dest", tmp_path / "code", env={"COLUMNS": "2000"})
    found = {p.name: p.read_text() for p in (tmp_path / "code").rglob("*.py")}
    assert found["basic.py"] == open(basic.__file__).read()


def test_cli_rerun(cli, sdk):
    done = cli("run", "--follow", "basic.py", "main", "--n", "4")
    again = cli("rerun", run_name(done.stdout), "--follow")
    assert run_name(again.stdout) != run_name(done.stdout)
    r = sdk.remote.Run.get(run_name(again.stdout))
    assert "SUCCEEDED" in str(r.phase).upper()
    assert (dict(r.inputs()), r.outputs()[0]) == ({"n": 4}, 14)


def test_cli_recover(cli, sdk):
    name = run_name(cli("run", "--follow", "durable.py", "pipeline", "--n", "3", check=False).stdout)
    again = cli("rerun", name, "--recover", "-e", "JOIN_OK=1", "--follow")
    assert run_name(again.stdout) != name
    phases = [str(a.phase) for a in Action.listall(for_run_name=run_name(again.stdout))]
    assert sum("RECOVERED" in p for p in phases) == 3, phases


def test_cli_projects_and_whoami(cli):
    assert "flytesnacks" in cli("get", "project").stdout
    cli("create", "project", "--id", "second", "--name", "Second")
    assert "second" in cli("get", "project").stdout
    cli("update", "project", "second", "--description", "the other one")
    assert "the other one" in cli("get", "project", "second").stdout
    assert pwd.getpwuid(os.getuid()).pw_name in cli("whoami").stdout


def test_run_url_is_a_page(cli, tern):
    import urllib.request
    name = run_name(cli("run", "--follow", "basic.py", "main", "--n", "2").stdout)
    url = f"http://{tern.endpoint}/v2/domain/development/project/flytesnacks/runs/{name}"
    page = urllib.request.urlopen(url).read().decode()
    assert "a0" in page and "SUCCEEDED" in page.upper() and "basic.square" in page


def test_script_run(tern):
    """flyte.init_from_config() + flyte.run() in a script, as the documentation shows."""
    script = ("import flyte, basic\n"
              "flyte.init_from_config()\n"
              "r = flyte.run(basic.main, n=3)\n"
              "r.wait()\n"
              "print('RESULT', r.outputs()[0])\n")
    env = tern.env()
    tern.write_client_config(tern.home)
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd=PROGRAMS,
                          capture_output=True, text=True, timeout=120)
    assert "RESULT 5" in done.stdout, done.stdout + done.stderr
