"""The examples of the SDK's repository, by name: the same behaviour, in programs of ours (programs/patterns.py)."""
import time

import durable
import patterns
import pytest
import wire
from flyte.models import ActionPhase
from flyte.remote import Action
from test_durable import lines, wait_for_condition, witness
from test_failures import details
from test_run import run_name


def actions(name):
    return list(Action.listall(for_run_name=name))


@pytest.mark.parametrize("task", ["maps_async", "maps_sync", "maps_sync_from_async"])
def test_map(run, task):
    assert run(getattr(patterns, task), n=4).outputs()[0] == ["error ValueError", "Task 1", "error ValueError", "Task 3"]


def test_grouping(run):
    r = run(patterns.groups, n=5)
    assert r.outputs()[0] == [0, 4, 8, 2, 6]
    groups = sorted(a.pb2.metadata.group for a in actions(r.name))
    assert groups == ["", "even-group", "even-group", "even-group", "inner", "inner", "nested", "odd-group", "odd-group"]


def test_trace_sync(run):
    r = run(patterns.sync_traces, n=4)
    assert r.outputs()[0] == 24
    traces = [a.pb2.metadata.trace.name for a in actions(r.name) if a.pb2.metadata.HasField("trace")]
    assert len(traces) == 9 and sum("counted" in t for t in traces) == 1


def test_exception_handling(run):
    assert run(patterns.recovers).outputs()[0] == ["ValueError", "OOMKilled", "500"]


def test_determinism(run, tmp_path):
    """The second attempt sees the time of the first, and does not sleep again."""
    path, context = witness(tmp_path)
    run(patterns.determinism, context=context)
    seen = lines(path)
    assert len(seen) == 4 and len(set(seen)) == 2, seen


def test_repeated_tasks(run):
    r = run(patterns.repeats, n=110)
    assert r.outputs()[0] == 110 * 42
    assert len({a.name for a in actions(r.name)}) == 111


def test_file(run):
    text = "streamed in small parts, read back in every way"
    assert run(patterns.files, text=text).outputs()[0] == [text] * 8


def test_dir(run):
    everything = ["a.txt", "b.txt", "c.txt", "d.txt"]
    assert run(patterns.dirs).outputs()[0] == {
        "listed": everything[:2], "depth 1": everything[:2], "depth 2": everything[:3], "all": everything,
        "downloaded": ["a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt"], "get": ["in b.txt"],
        "exists": ["None", "True", "True"]}


def test_offloaded_type_basic_usage(run):
    assert run(patterns.offloads).outputs()[0] == ["new_parent/named.txt", "a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt"]


def report_of(name):
    return str(Action.get(run_name=name, name="a0").get_report())


def test_streaming_reports(sdk, tmp_path):
    """What a task has flushed is there while it runs."""
    until = tmp_path / "enough"
    r = sdk.run(patterns.streams_report, until=str(until))
    shown, end = "", time.monotonic() + 60
    while "step 3" not in shown and time.monotonic() < end:
        try:
            shown = report_of(r.name)
        except Exception as e:  # before the first flush there is none
            assert "report" in str(e).lower(), e
        time.sleep(0.2)
    assert "begin" in shown and "step 3" in shown and "the end" not in shown
    until.touch()
    r.wait(quiet=True)
    assert "the end" in report_of(r.name)


def test_custom_context(run):
    assert run(patterns.contexts, x=10, context={"custom_context": {"trace_id": "abc"}}).outputs()[0] == [13, 14, 15]


def test_cancel_tasks(run):
    r = run(patterns.cancels_all, n=4)
    assert r.outputs()[0] == "ValueError"
    phases = [a.phase for a in actions(r.name) if a.task_name == "light.sleeper"]
    assert phases == [ActionPhase.ABORTED] * 4


def test_conditions(sdk):
    r = sdk.run(patterns.two_conditions, x=4)
    for name in ("approval", "review"):
        condition = wait_for_condition(r.name, name)
        assert "PAUSED" in str(condition.phase)
        condition.signal(True)
    r.wait(quiet=True)
    assert r.outputs()[0] == 8


def test_content_based_caching(run, tmp_path):
    path, context = witness(tmp_path)
    assert run(patterns.same_hash, key=tmp_path.name, context=context).outputs()[0] == [1, 1, 1, 1]
    assert sorted(lines(path)) == ["dir", "file"]


def test_retry_and_timeout(run):
    """Its retries and its hopeless task are in test_failures.py."""
    assert run(patterns.bounded).outputs()[0] == "done"


def test_queued_timeout(make_tern):
    """On a server with room for one task at a time."""
    server = make_tern(args=["--exec.local.cpus", "1"]).start()
    server.cli("run", "patterns.py", "holds", "--seconds", "300")
    late = run_name(server.cli("run", "--follow", "patterns.py", "waits_in_line", check=False).stdout)
    assert wire.phase(server.endpoint, late) == "ACTION_PHASE_TIMED_OUT"


def test_generic_data_checkpoint(run):
    r = run(durable.counts, n=9)
    assert r.outputs()[0] == 6 and len(details(r).attempts) == 3


def test_rerun_and_recover(sdk, run, tmp_path):
    """Also: one action forced to run again, changed inputs, both. The plain forms are in test_durable.py."""
    path, context = witness(tmp_path)
    env = {"env_vars": {**context["env_vars"], "JOIN_OK": "1"}}
    seed = run(durable.pipeline, n=3, expect="failed", context=context)
    prep = next(a.name for a in actions(seed.name) if a.task_name == "durable.prep")
    forced = sdk.with_runcontext(**env).rerun(seed.name, recover=True, force_rerun_actions=[prep])
    forced.wait(quiet=True)
    phases = {a.name: a.phase for a in actions(forced.name) if a.task_name == "durable.prep"}
    assert phases.pop(prep) == ActionPhase.SUCCEEDED
    assert set(phases.values()) == {ActionPhase.RECOVERED} and len(phases) == 2
    changed = sdk.with_runcontext(**env).rerun(seed.name, n=4)
    changed.wait(quiet=True)
    assert changed.outputs()[0] == 14
    both = sdk.with_runcontext(**env).rerun(seed.name, recover=True, n=4)
    both.wait(quiet=True)
    assert both.outputs()[0] == 14
    assert sum(a.phase == ActionPhase.RECOVERED for a in actions(both.name)) == 3


def test_crash_recovery_trace(run, tmp_path):
    path, context = witness(tmp_path)
    r = run(patterns.crashes, n=50, every=10, context=context)
    assert r.outputs()[0] == sum(range(50))
    assert lines(path) == [f"traced {i}" for i in range(50)], "a finished step ran again"
    assert len(details(r).attempts) == 4


def test_recur(run):
    r = run(patterns.recurs_outside, depth=5)
    assert r.outputs()[0] == 6
    assert sum(a.pb2.metadata.HasField("trace") for a in actions(r.name)) == 7
