"""What can be said when a run starts, without registering anything anew: of the run, and of a task."""
import re

import flyte
import flyte.remote
import launch
import pytest
import wire
from flyte.remote import Task


def ended(r):
    return str(r.phase).rsplit(".", 1)[-1].lower()


@pytest.fixture(scope="module")
def deployed(sdk):
    sdk.deploy(launch.env, version="launch1")
    return lambda name: Task.get(f"launch.{name}", version="launch1")


@pytest.fixture
def start(sdk):
    def go(task, expect="succeeded", context=None, **inputs):
        r = sdk.with_runcontext(**(context or {})).run(task, **inputs)
        r.wait(quiet=True)
        assert ended(r) == expect, r.details().action_details.pb2.error_info.message
        return r

    return go


# ---- of a task ---------------------------------------------------------------------------------------------------------


def test_a_deployed_task_with_other_retries(start, deployed, tmp_path):
    (tmp_path / "few").mkdir()
    start(deployed("flaky"), expect="failed", folder=str(tmp_path / "few"))
    r = start(deployed("flaky").override(retries=flyte.RetryStrategy(count=5)), folder=str(tmp_path))
    assert r.outputs()[0] == 3 and r.details().action_details.pb2.status.attempts == 3
    assert r.details().action_details.pb2.metadata.task.id.version == "launch1"


def test_a_deployed_task_with_another_environment(start, deployed):
    task = deployed("grandchild")
    assert start(task.override(env_vars={"MINE": "call"}), names=["MINE"]).outputs()[0] == {"MINE": "call"}
    assert start(task, names=["MINE"]).outputs()[0] == {"MINE": ""}


def test_a_deployed_task_with_other_limits(start, deployed, tern):
    start(deployed("sleeps").override(timeout=1), expect="timed_out", seconds=60.0)
    r = start(deployed("fills_memory").override(resources=flyte.Resources(cpu=1, memory="150Mi")), expect="failed", mib=600)
    assert wire.details(tern.endpoint, r.name)["action"]["errorInfo"]["code"] == "OOMKilled"
    assert start(deployed("fills_memory"), mib=200).outputs()[0] == 200


def test_a_deployed_task_with_and_without_cache(start, deployed):
    cached = start(deployed("now"), key="deployed").outputs()[0]
    assert start(deployed("now"), key="deployed").outputs()[0] == cached
    assert start(deployed("now").override(cache=flyte.Cache("disable")), key="deployed").outputs()[0] > cached
    other = deployed("now").override(cache=flyte.Cache("override", version_override="2"))
    assert start(other, key="deployed").outputs()[0] == start(other, key="deployed").outputs()[0] > cached


def test_children_with_overrides(start, tmp_path):
    got = start(launch.tries_overrides, folder=str(tmp_path)).outputs()[0]
    assert got.pop("timeout") in ("MaxRuntimeExceededError", "TaskTimeoutError")  # the SDK's name for it, by its version
    assert got == {"tries": "3", "env": "call", "memory": "OOMKilled"}


# ---- of a run ----------------------------------------------------------------------------------------------------------


def test_overwriting_the_cache_renews_it(start, deployed):
    first = start(deployed("now"), key="renewed").outputs()[0]
    second = start(deployed("now"), key="renewed", context={"overwrite_cache": True}).outputs()[0]
    assert second > first and start(deployed("now"), key="renewed").outputs()[0] == second


def test_the_cache_of_a_project_and_domain(start, deployed, tern):
    own = {"cache_lookup_scope": "project-domain"}
    first = start(deployed("now"), key="scope").outputs()[0]
    here = start(deployed("now"), key="scope", context=own).outputs()[0]
    assert here > first == start(deployed("now"), key="scope").outputs()[0]
    assert start(deployed("now"), key="scope", context=own).outputs()[0] == here
    assert start(deployed("now"), key="scope", context={**own, "domain": "staging"}).outputs()[0] > here


def test_what_a_run_says_is_kept(start, deployed):
    r = start(deployed("tree"), names=["MINE"], context={
        "env_vars": {"MINE": "run"}, "interruptible": True, "queue": "fast", "service_account": "sa", "labels": {"a": "b"},
        "annotations": {"c": "d"}, "max_action_concurrency": 2})
    assert r.outputs()[0] == {n: {"MINE": "run"} for n in ("root", "child", "grandchild")}
    spec = r.details().pb2.run_spec
    assert (spec.interruptible.value, spec.queue, spec.max_action_concurrency) == (True, "fast", 2)
    assert spec.security_context.run_as.k8s_service_account == "sa"
    assert (dict(spec.labels.values), dict(spec.annotations.values)) == ({"a": "b"}, {"c": "d"})


def test_flags_of_flyte_run(cli, sdk):
    done = cli("run", "--follow", "--env", "MINE=flag", "--label", "team=cli", "--queue", "slow", "--service-account", "robot",
               "--max-action-concurrency", "2", "launch.py", "tree", "--names", '["MINE"]')
    r = sdk.remote.Run.get(re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1))
    assert r.outputs()[0] == {n: {"MINE": "flag"} for n in ("root", "child", "grandchild")}
    spec = r.details().pb2.run_spec
    assert (spec.queue, spec.max_action_concurrency, dict(spec.labels.values)) == ("slow", 2, {"team": "cli"})
    assert spec.security_context.run_as.k8s_service_account == "robot"
