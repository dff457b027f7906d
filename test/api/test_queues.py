"""Queues (docs/queues.md): a server of its own with few CPUs, the SDK, and tasks that write down when they run."""
import flyte
import pytest
import queues
import wire
from flyte.remote import Action
from waiting import wait_until
from conftest import PROGRAMS
from harness import Tern



@pytest.fixture(scope="module")
def server(tern, tmp_path_factory):
    one = Tern(tmp_path_factory.mktemp("queues") / "server", args=["--exec.local.cpus", "4"])
    one.start().connect(PROGRAMS)
    yield one
    one.finish()
    tern.connect(PROGRAMS)


@pytest.fixture
def witness(tmp_path):
    path = tmp_path / "witness"
    path.touch()
    return path


def queue(server, *words, check=True):
    return server.command("queue", *words, check=check)


def start(task, queue, **inputs):
    return flyte.with_runcontext(queue=queue).run(task, **inputs)


def succeeded(run):
    run.wait(quiet=True)
    assert str(run.phase).rsplit(".", 1)[-1].lower() == "succeeded", run.details().action_details.pb2.error_info.message


def lines(witness):
    return witness.read_text().split()


def most_at_once(witness):
    now = most = 0
    for line in lines(witness):
        now += 1 if line[0] == "+" else -1
        most = max(most, now)
    return most


def row(server, name, kind="queue"):
    """limit, priority, weight, paused?, working, waiting, queued"""
    for line in queue(server, "list").stdout.splitlines()[1:]:
        if line.split()[0] == kind and line.endswith(f" {name}"):
            paused = "paused" in line.split()
            limit, priority, weight, working, waiting, queued = [w for w in line.split()[1:-1] if w != "paused"]
            return limit, priority, weight, paused, int(working), int(waiting), int(queued)
    return None


def test_a_limit_holds_also_over_a_kill(server, witness):
    queue(server, "set", "narrow", "limit=2")
    run = start(queues.fan, "narrow", witness=str(witness), who="x", count=8, together=2)
    # The fan itself waits for its children: it takes no place.
    wait_until(lambda: lines(witness).count("-x") >= 2)
    server.kill()
    server.restart()
    succeeded(run)
    assert lines(witness).count("+x") == lines(witness).count("-x") == 8
    assert most_at_once(witness) == 2
    queue(server, "remove", "narrow")
    assert row(server, "narrow") is None


def test_the_limit_of_a_run(server, witness):
    """The run itself is one of the three actions. The server has places for more."""
    run = flyte.with_runcontext(max_action_concurrency=3).run(queues.fan_held, witness=str(witness), who="x", count=4)

    def waiting():
        names = [a.name for a in Action.listall(for_run_name=run.name)]
        pages = [wire.run_page(server.endpoint, run.name, action=name) for name in names]
        return len(names) == 5 and sum("as many active actions as it may" in page for page in pages) == 2

    wait_until(waiting, "two that wait")
    wait_until(lambda: lines(witness) == ["+x", "+x"], "two that run")
    witness.with_name("witness.go").touch()
    succeeded(run)
    assert lines(witness).count("+x") == lines(witness).count("-x") == 4
    assert most_at_once(witness) == 2


def test_trees_in_a_queue_of_one(server):
    queue(server, "set", "single", "limit=1")
    runs = [start(queues.dive, "single", depth=4) for _ in range(2)]
    for run in runs:
        succeeded(run)
        assert run.outputs()[0] == 4
    queue(server, "remove", "single")


def test_a_paused_queue_starts_nothing(server, witness):
    first = start(queues.held, "ward", witness=str(witness), who="a")
    wait_until(lambda: lines(witness) == ["+a"])
    queue(server, "pause", "ward")
    second = start(queues.held, "ward", witness=str(witness), who="b")
    wait_until(lambda: (row(server, "ward") or [0])[3:] == (True, 1, 0, 1))
    assert "queue ward is paused" in wire.run_page(server.endpoint, second.name)
    server.kill()
    server.restart()
    wait_until(lambda: row(server, "ward")[3:] == (True, 1, 0, 1))
    witness.with_name("witness.go").touch()
    succeeded(first)
    assert row(server, "ward")[3:] == (True, 0, 0, 1)
    assert lines(witness) == ["+a", "-a"]
    queue(server, "resume", "ward")
    succeeded(second)
    queue(server, "remove", "ward")


def test_what_it_waits_for_is_said(server, witness):
    queue(server, "set", "gpu", "limit=1")
    queue(server, "set", "--project", "flytesnacks", "limit=2", "weight=3")
    runs = [start(queues.held, "gpu", witness=str(witness), who="a")]
    wait_until(lambda: lines(witness) == ["+a"])
    runs.append(start(queues.held, "gpu", witness=str(witness), who="b"))
    wait_until(lambda: "queue gpu: 1 of 1 actions run" in wire.run_page(server.endpoint, runs[1].name))
    runs.append(start(queues.held, "", witness=str(witness), who="c"))
    wait_until(lambda: lines(witness) == ["+a", "+c"])
    runs.append(start(queues.held, "other", witness=str(witness), who="d"))
    wait_until(lambda: "project flytesnacks: 2 of 2 actions run" in wire.run_page(server.endpoint, runs[3].name))
    assert row(server, "flytesnacks", "project") == ("2", "-", "3", False, 2, 0, 2)
    assert row(server, "gpu") == ("1", "0", "-", False, 1, 0, 1)
    assert row(server, "default") == ("-", "0", "-", False, 1, 0, 0)
    # The event tells it too, to who asks for a run's events.
    events = {"id": {"run": wire.run_id(runs[1].name), "name": "a0"}, "attempt": 1}
    with wire.Watch(server.endpoint, wire.RUNS + "WatchClusterEvents", events) as told:
        said = ""
        while "queue gpu: 1 of 1 actions run" not in said:
            said += str(told.next())
    assert "project flytesnacks limit=2 weight=3" in server.command("audit", "--rpc", "tern queue").stdout
    # A higher limit is obeyed at once.
    queue(server, "set", "--project", "flytesnacks", "limit=0")
    wait_until(lambda: lines(witness) == ["+a", "+c", "+d"])
    witness.with_name("witness.go").touch()
    for run in runs:
        succeeded(run)
    queue(server, "remove", "gpu")
    queue(server, "remove", "--project", "flytesnacks")


def test_who_comes_later_gets_a_share(server, witness):
    """And a queue of higher priority everything: with one at a time, what was started shows who was next."""
    queue(server, "set", "--project", "flytesnacks", "limit=1")
    runs = [start(queues.fan, "", witness=str(witness), who="early", count=30, together=1)]
    wait_until(lambda: "+early" in lines(witness))
    runs.append(start(queues.fan, "", witness=str(witness), who="late", count=5, together=1))
    for run in runs:
        succeeded(run)
    order = [line for line in lines(witness) if line[0] == "+"]
    last = len(order) - 1 - order[::-1].index("+late")
    assert order[last:].count("+early") >= 5, order
    assert most_at_once(witness) == 1

    queue(server, "set", "urgent", "priority=5")
    witness.write_text("")
    queue(server, "pause", "--project", "flytesnacks")
    runs = [start(queues.held, q, witness=str(witness), who=q) for q in ("slow", "slow", "urgent")]
    wait_until(lambda: row(server, "flytesnacks", "project")[6] == 3)
    witness.with_name("witness.go").touch()
    queue(server, "resume", "--project", "flytesnacks")
    for run in runs:
        succeeded(run)
    assert lines(witness) == ["+urgent", "-urgent", "+slow", "-slow", "+slow", "-slow"]
    queue(server, "remove", "urgent")
    queue(server, "remove", "--project", "flytesnacks")


def test_tasks_inside_the_engine_have_places_too(server):
    queue(server, "set", "engine", "limit=1")
    names = ["sleeper-1", "sleeper-2"]
    for name in names:
        message = wire.sleeper(name)
        message["runSpec"] = {"queue": "engine"}
        assert wire.create_run(server.endpoint, message).status == 200
    wait_until(lambda: wire.phase(server.endpoint, names[0]) == "ACTION_PHASE_RUNNING")
    server.kill()
    server.restart()
    wait_until(lambda: row(server, "engine")[4] == 1)
    assert wire.phase(server.endpoint, names[1]) == "ACTION_PHASE_QUEUED"
    assert wire.abort(server.endpoint, names[0], "a0").status == 200
    wait_until(lambda: wire.phase(server.endpoint, names[1]) == "ACTION_PHASE_RUNNING")
    assert wire.abort(server.endpoint, names[1], "a0").status == 200
    wait_until(lambda: row(server, "engine")[4] == 0)
    queue(server, "remove", "engine")


def test_a_long_name_is_cut_between_characters(server):
    name = "x" + "ü" * 60
    queue(server, "pause", name)
    message = wire.sleeper("long-name")
    message["runSpec"] = {"queue": name}
    assert wire.create_run(server.endpoint, message).status == 200
    with wire.Watch(server.endpoint, wire.RUNS + "WatchClusterEvents",
                    {"id": {"run": wire.run_id("long-name"), "name": "a0"}, "attempt": 1}) as told:
        said = ""
        while "is paused" not in said:
            said += str(told.next())
    assert "queue x" + "ü" * 49 + " is paused" in said
    assert wire.abort(server.endpoint, "long-name", "a0").status == 200
    queue(server, "remove", name)


@pytest.mark.parametrize("words, says", [
    (["set", "q"], "nothing to set"),
    (["set", "q", "limit=-1"], "limit: a number from 0 to 1000000"),
    (["set", "q", "weight=2"], "weight: a queue has none"),
    (["set", "--project", "p", "priority=2"], "priority: a project has none"),
    (["set", "q", "colour=2"], "a queue has limit=N and priority=N"),
    (["pause", "q", "limit=1"], "only set takes more than a name"),
    (["stop", "q"], "one of set, pause, resume, remove"),
    (["remove", "nowhere"], "nothing was said of queue nowhere"),
    (["set", "q" * 129, "limit=1"], "1 to 128 bytes"),
    (["pause"], "with a NAME"),
])
def test_what_is_refused(server, words, says):
    done = queue(server, *words, check=False)
    assert done.returncode != 0 and says in done.stderr
    assert row(server, "q") is None
