"""Commands of the SDK's command line that no other test gives: each against the server, as a user types it."""
import re

import pytest
import wire
from flyte.remote import Condition
from waiting import wait_until


def run_name(text):
    return re.search(r"/runs/(\w+)", text)[1]


def said(done):
    """Both outputs as one line, without boxes and colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def deployed(tern):
    """The version of basic.py's tasks."""
    tern.cli("deploy", "--version", "commands-1", "basic.py", "env")
    return "commands-1"


def test_configuration_that_is_created_is_used(tern, tmp_path):
    mine, home = tmp_path / "mine.yaml", {"HOME": str(tmp_path)}
    tern.cli("create", "config", "--endpoint", tern.endpoint, "--insecure", "--project", "flytesnacks", "--domain", "development",
             "--builder", "remote", "-o", mine, env=home)
    assert tern.cli("get", "run", env=home, check=False).returncode != 0
    name = run_name(tern.cli("-c", mine, "run", "--follow", "basic.py", "nothing", "--text", "x", env=home).stdout)
    assert name in said(tern.cli("-c", mine, "get", "run", name, env=home))


def test_version_of_a_task(cli, deployed):
    shown = said(cli("get", "task", "basic.main", deployed))
    assert "basic.main" in shown and deployed in shown
    missing = cli("get", "task", "basic.main", "no-such-version", check=False)
    assert missing.returncode != 0 and "not found" in said(missing)


def test_build(cli):
    assert "basic" in said(cli("build", "basic.py", "env"))


def test_inputs_and_outputs_alone(cli):
    name = run_name(cli("run", "--follow", "basic.py", "nested", "--n", "4").stdout)
    inputs, outputs = (said(cli("get", "io", name, "a0", which)) for which in ("-i", "-o"))
    assert "'n': 4" in inputs and "o0=6" not in inputs
    assert "o0=6" in outputs and "'n': 4" not in outputs


def test_one_secret(cli):
    cli("create", "secret", "shown-alone", "--value", "never-shown")
    shown = said(cli("get", "secret", "shown-alone"))
    assert "shown-alone" in shown and "never-shown" not in shown
    cli("delete", "secret", "shown-alone")
    missing = cli("get", "secret", "shown-alone", check=False)
    assert missing.returncode != 0 and "not found" in said(missing)


def test_all_triggers(cli):
    cli("deploy", "triggered.py", "env")
    shown = said(cli("get", "trigger"))
    assert "hourly" in shown and "triggered.report" in shown


def test_condition_is_answered(tern, sdk, cli):
    name = run_name(cli("run", "durable.py", "approves", "--x", "4").stdout)
    action = wait_until(lambda: [c.action_name for c in Condition.listall(run_name=name)], "the condition")[0]
    assert "approval" in said(cli("get", "condition", name, "a0"))  # those of a parent
    assert "approval" not in said(cli("get", "condition", name, action))
    wrong = cli("signal", "condition", name, action, "perhaps", check=False)
    assert wrong.returncode != 0 and "could not parse 'perhaps' as bool" in said(wrong)
    cli("signal", "condition", name, action, "true")
    wait_until(lambda: wire.phase(tern.endpoint, name) == "ACTION_PHASE_SUCCEEDED")
    assert "o0=5" in said(cli("get", "io", name))


@pytest.mark.parametrize("command", [["get", "app", "mine"], ["update", "app", "mine", "--deactivate"], ["delete", "app", "mine"],
                                     ["serve", "apps.py", "env"]], ids=" ".join)
def test_apps_are_not_there_yet(cli, command):
    done = cli(*command, check=False)
    assert done.returncode != 0
    assert "is not implemented by this version of Tern" in said(done)
