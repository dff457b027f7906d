"""Traces, checkpoints, caches, conditions, reports, recovery."""
import json

import durable
import secrets_
import wire
from flyte.remote import Action, ActionDetails, Condition
from flyteidl2.core.catalog_pb2 import CatalogCacheStatus
from waiting import wait_until


def witness(tmp_path):
    path = tmp_path / "witness"
    return path, {"env_vars": {"WITNESS": str(path)}}


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_trace_resumes_after_the_parent_crashed(run, tmp_path):
    path, context = witness(tmp_path)
    r = run(durable.traced, n=6, crash_at=3, context=context)
    assert r.outputs()[0] == 150
    assert sorted(lines(path)) == sorted(f"step {i}" for i in range(6)), "a finished step ran again"


def test_sync_trace(run):
    assert run(durable.sum_doubles, n=5).outputs()[0] == 20


def test_checkpoint_of_the_last_attempt_is_given_back(run):
    r = run(durable.counts, n=9)
    assert r.outputs()[0] == 6


def caches(run):
    """What a run's actions say of the cache: in their list, and the same in the details of their last attempts."""
    found = []
    for a in Action.listall(for_run_name=run.name):
        status = a.pb2.status.cache_status
        attempts = ActionDetails.get(run_name=run.name, name=a.name).pb2.attempts
        assert [t.cache_status for t in attempts[-1:]] in ([], [status])
        found.append((a.task_name.rpartition(".")[2], CatalogCacheStatus.Name(status).removeprefix("CACHE_")))
    return sorted(found)


def test_cache_hit_within_a_run(run, tmp_path):
    path, context = witness(tmp_path)
    r = run(durable.calls_cached, x=1001, context=context)
    first, second = r.outputs()[0]
    assert first == second and len(lines(path)) == 1
    assert caches(r) == [("cached", "HIT"), ("cached", "POPULATED"), ("calls_cached", "DISABLED")]


def test_cache_miss_of_what_fails(run, tmp_path):
    """Nothing is stored: the next one misses too."""
    path, context = witness(tmp_path)
    for n in (1, 2):
        assert caches(run(durable.cached_fails, x=1005, expect="failed", context=context)) == [("cached_fails", "MISS")]
        assert len(lines(path)) == n


def test_cache_hit_across_runs_root_and_child(run, tmp_path):
    path, context = witness(tmp_path)
    value = run(durable.cached, x=1002, context=context).outputs()[0]
    again = run(durable.cached, x=1002, context=context)
    assert again.outputs()[0] == value
    assert run(durable.calls_cached, x=1002, context=context).outputs()[0] == [value, value]
    assert len(lines(path)) == 1
    assert caches(again) == [("cached", "HIT")]


def test_cache_overwritten(run, tmp_path):
    path, context = witness(tmp_path)
    value = run(durable.cached, x=1003, context=context).outputs()[0]
    r = run(durable.cached, x=1003, context={**context, "overwrite_cache": True})
    fresh = r.outputs()[0]
    assert fresh != value and caches(r) == [("cached", "POPULATED")]
    assert run(durable.cached, x=1003, context=context).outputs()[0] == fresh
    assert len(lines(path)) == 2


def test_cache_serialised(run, tmp_path):
    path, context = witness(tmp_path)
    values = run(durable.calls_serial, x=1004, n=4, context=context).outputs()[0]
    assert len(set(values)) == 1 and len(lines(path)) == 1


def wait_for_condition(run, name=None):
    """Of that name, or any."""
    found = lambda: [c for c in Condition.listall(run_name=run) if name in (None, c.name)]  # noqa: E731
    return wait_until(found, f"a condition {name or ''}")[0]


def test_condition_signalled_by_the_sdk(sdk):
    r = sdk.run(durable.approves, x=4)
    wait_for_condition(r.name).signal(True)
    r.wait(quiet=True)
    assert r.outputs()[0] == 5


def test_condition_signalled_from_the_cli(sdk, cli):
    r = sdk.run(durable.asks_number)
    c = wait_for_condition(r.name)
    assert "number" in cli("get", "condition", r.name).stdout
    cli("signal", "condition", r.name, c.action_name, "17")
    r.wait(quiet=True)
    assert r.outputs()[0] == 17


def test_report(run):
    r = run(durable.reports)
    from flyte.remote import Action
    a = Action.get(run_name=r.name, name="a0")
    report = a.get_report() if hasattr(a, "get_report") else None
    assert report is not None and "the report" in str(report)


def origins(tern, name):
    """The relation of a run, and of each of its actions that were taken over: from which action of which run."""
    told = wire.call(tern.endpoint, wire.RUNS + "ListActions", {"runId": wire.run_id(name), "request": {"limit": 100}}).json["actions"]
    relation, = {json.dumps(a["metadata"].get("relation")) for a in told if a["id"]["name"] == "a0"}
    assert not any("relation" in a["metadata"] for a in told if a["id"]["name"] != "a0")
    taken = {a["id"]["name"]: a["metadata"]["recoveredFrom"] for a in told if "recoveredFrom" in a["metadata"]}
    assert set(taken) == {a["id"]["name"] for a in told if a["status"]["phase"] == "ACTION_PHASE_RECOVERED"}
    for action, source in taken.items():
        one = wire.call(tern.endpoint, wire.RUNS + "GetActionDetails", {"actionId": {"run": wire.run_id(name), "name": action}})
        assert one.json["details"]["metadata"]["recoveredFrom"] == source
    return json.loads(relation), taken


def run_of(name):
    return {k: v for k, v in wire.run_id(name).items() if v}


def test_rerun_and_recover(tern, sdk, run, tmp_path):
    path, context = witness(tmp_path)
    seed = run(durable.pipeline, n=3, expect="failed", context=context)
    assert sorted(lines(path)) == ["join", "prep 0", "prep 1", "prep 2"]
    env = {"env_vars": {**context["env_vars"], "JOIN_OK": "1"}}
    again = sdk.with_runcontext(**env).rerun(seed.name, recover=True)
    again.wait(quiet=True)
    assert again.outputs()[0] == 5
    assert sorted(lines(path)) == ["join", "join", "prep 0", "prep 1", "prep 2"]
    phases = [str(a.phase).lower() for a in Action.listall(for_run_name=again.name)]
    assert sum("recovered" in p for p in phases) == 3
    relation, taken = origins(tern, again.name)
    assert relation == {"relatedTo": run_of(seed.name), "relationType": "RELATION_TYPE_RECOVER"}
    assert len(taken) == 3 and all(source == {"run": run_of(seed.name), "name": name} for name, source in taken.items())
    plain = sdk.with_runcontext(**env).rerun(seed.name)
    plain.wait(quiet=True)
    assert plain.outputs()[0] == 5
    assert len(lines(path)) == 9
    assert origins(tern, plain.name) == ({"relatedTo": run_of(seed.name), "relationType": "RELATION_TYPE_RERUN"}, {})
    assert origins(tern, seed.name) == (None, {})


def test_secrets(sdk, run, cli):
    cli("create", "secret", "api-key", "--value", "s3cr3t-value")
    cli("create", "secret", "cert", "--value", "file-value")
    assert "api-key" in cli("get", "secret").stdout
    assert run(secrets_.read_env).outputs()[0] == "s3cr3t-value"
    assert run(secrets_.read_file).outputs()[0] == "file-value"
    cli("delete", "secret", "api-key")
    assert "api-key" not in cli("get", "secret").stdout
    assert "flyte create secret api-key" in run(secrets_.read_env, expect="failed").details().action_details.error_info.message


def test_secrets_of_a_project_in_all_its_domains(cli):
    for domain in ("development", "staging"):
        cli("create", "secret", f"in-{domain}", "--value", "v", "--project", "flytesnacks", "--domain", domain)
    listed = cli("get", "secret", "--project", "flytesnacks").stdout
    assert "in-development" in listed and "in-staging" in listed
    for domain in ("development", "staging"):
        cli("delete", "secret", f"in-{domain}", "--project", "flytesnacks", "--domain", domain)
