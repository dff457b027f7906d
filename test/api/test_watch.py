"""Streams that the SDK does not open."""
import pytest
import wire
from wire import Watch

PROJECT_ID = {"projectId": {"name": "flytesnacks", "domain": "development"}}


def name_and_phase(run):
    return run["action"]["id"]["run"]["name"], run["action"]["status"]["phase"].removeprefix("ACTION_PHASE_")


def create(server, name, **options):
    answer = wire.create_run(server.endpoint, wire.sleeper(name, **options))
    assert answer.status == 200, answer


def told_until(stream, wanted):
    """Reads until the set of (name, phase) has been told; all that was told, in order."""
    told = []
    while not wanted <= set(told):
        told += [name_and_phase(r) for r in stream.next()["runs"]]
    return told


# ---- WatchRuns --------------------------------------------------------------------------------------------------------


def test_a_change_of_an_old_run_is_told(make_tern):
    """More runs have come since than any page has, and it is told once, not with the others again."""
    server = make_tern().start()
    create(server, "old")
    for i in range(1100):
        create(server, f"new{i}", seconds=0)
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", PROJECT_ID) as stream:
        first = [name_and_phase(r)[0] for r in stream.next()["runs"]]
        assert first[:3] == ["new1099", "new1098", "new1097"] and len(first) == 100
        assert wire.abort(server.endpoint, "old", "a0").status == 200
        told = told_until(stream, {("old", "ABORTED")})
        assert [t for t in told if t == ("old", "ABORTED")] == [("old", "ABORTED")]


def test_every_run_of_a_burst_is_told(make_tern):
    """Runs that come and end faster than a client reads: it learns the end of each."""
    server = make_tern().start()
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", PROJECT_ID) as stream:
        for i in range(350):
            create(server, f"burst{i}", seconds=0)
        told_until(stream, {(f"burst{i}", "SUCCEEDED") for i in range(350)})


TASK = {"taskId": {"project": "flytesnacks", "domain": "development", "name": "t.core-sleep", "version": "v1"}}


@pytest.mark.parametrize("target, expected", [
    (PROJECT_ID, {"another", "here"}), (TASK, {"elsewhere", "here"}), ({"org": "any"}, {"elsewhere", "another", "here"})])
def test_a_target_limits_what_is_told(make_tern, target, expected):
    server = make_tern().start()
    with Watch(server.endpoint, wire.RUNS + "WatchRuns", target) as stream:
        for name, domain, version in (("elsewhere", "staging", "v1"), ("another", "development", "v2"),
                                      ("here", "development", "v1")):
            message = wire.sleeper(name, seconds=0)
            message["runId"]["domain"] = domain
            message["taskSpec"]["taskTemplate"]["id"]["version"] = version
            assert wire.create_run(server.endpoint, message).status == 200
        told = told_until(stream, {(name, "SUCCEEDED") for name in expected})
        assert {name for name, _ in told} == expected
