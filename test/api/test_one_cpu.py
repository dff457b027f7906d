"""Room for one task at a time, the SDK's own tasks on the warm pool: a parent that waits for its children gives its place
back, so trees of any form end (D-22)."""
import pytest
import queues
import wire
from conftest import PROGRAMS
from flyte.remote import Action
from harness import Tern
from test_queues import lines, most_at_once, succeeded, witness  # noqa: F401
from waiting import wait_until


@pytest.fixture(scope="module")
def one_cpu(tern, tmp_path_factory):
    server = Tern(tmp_path_factory.mktemp("one-cpu") / "server", args=["--exec.local.cpus", "1"])
    yield server.start().connect(PROGRAMS), server
    server.finish()
    tern.connect(PROGRAMS)


def test_what_is_queued_says_what_it_waits_for(one_cpu, witness):
    flyte, server = one_cpu
    first = flyte.run(queues.held, witness=str(witness), who="a")
    wait_until(lambda: lines(witness) == ["+a"])
    second = flyte.run(queues.held, witness=str(witness), who="b")
    page = wait_until(lambda: (p := wire.run_page(server.endpoint, second.name)) and "waiting for CPU" in p and p, "the reason")
    assert "waiting for CPU: needs 1, 1 of 1 in use" in page
    witness.with_name("witness.go").touch()
    for run in (first, second):
        succeeded(run)
    assert lines(witness) == ["+a", "-a", "+b", "-b"]
    assert "waiting for" not in wire.run_page(server.endpoint, second.name).partition("<h3>Events")[0]


def end_of(server, run, seconds):
    """Told by the server: the SDK would wait for ever."""
    wait_until(lambda: "endTime" in wire.details(server.endpoint, run.name)["action"]["status"], f"the end of {run.name}", seconds)
    succeeded(run)


@pytest.mark.slow
def test_recursion_20_deep(one_cpu):
    flyte, server = one_cpu
    run = flyte.run(queues.dive, depth=20)
    end_of(server, run, 300)
    assert run.outputs()[0] == 20
    assert len(list(Action.listall(for_run_name=run.name))) == 21


@pytest.mark.slow
def test_a_map_of_50_parents_with_5_children_each(one_cpu, witness):
    flyte, server = one_cpu
    run = flyte.run(queues.families, witness=str(witness), parents=50, count=5)
    end_of(server, run, 1200)
    whose = [f"p{i}" for i in range(50)] * 5
    assert sorted(lines(witness)) == sorted(sign + who for who in whose for sign in "+-")
    assert most_at_once(witness) == 1
    assert len(list(Action.listall(for_run_name=run.name))) == 1 + 50 + 250
