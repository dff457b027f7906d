"""kill -9 of each process at each stage of a fan-out; what is killed is chosen by a gate, not by a clock."""
import pytest
from flyte.remote import Run

import fan
import world

N = 3


class Fan:
    """A parent and its leaves, all running and waiting at a gate."""

    def __init__(self, w, n=N, parent_gate=False):
        self.world, self.n = w, n
        self.gate, self.parent_gate = w.folder / "gate", w.folder / "parent-gate"
        self.run = w.submit(fan.out, n=n, gate=str(self.gate), parent_gate=str(self.parent_gate) if parent_gate else "")
        self.parent = w.wait_lines("parent", 1)[0]
        self.leaves = w.wait_lines("leaf", n)

    def open(self):
        self.gate.touch()

    def open_parent(self):
        self.parent_gate.touch()

    def finish(self, attempts=None):
        self.open()
        self.open_parent()
        self.world.assert_succeeded(self.run, self.n, attempts)
        assert [r.name for r in Run.listall()] == [self.run.name]


def pid_of(line):
    return int(line[3])


# One CPU for each of them: all run at the same time.
ARGS = ["--exec.local.cpus", str(N + 1)]


@pytest.fixture
def fan_out(make_world):
    return lambda **options: Fan(make_world(args=ARGS), **options)


@pytest.mark.quick
def test_server_while_children_run(fan_out):
    f = fan_out()
    f.world.kill()
    f.world.restart()
    f.finish()


def test_server_while_the_parent_runs_alone(fan_out):
    f = fan_out(parent_gate=True)
    f.open()
    f.world.wait_lines("joined", 1)
    f.world.kill()
    f.world.restart()
    f.finish()


def test_server_again_and_again(fan_out):
    f = fan_out()
    for _ in range(5):
        f.world.kill()
        f.world.restart()
    f.finish()


def test_server_after_the_run(fan_out):
    f = fan_out()
    f.finish()
    f.world.kill()
    f.world.restart()
    f.finish()


def test_supervisor_alone(fan_out):
    """Tasks live on and are found by the next supervisor; it was not their parent, so their status comes from files."""
    f = fan_out()
    before = f.world.supervisor_pid()
    world.kill(before)
    world.eventually("another supervisor", lambda: f.world.supervisor_pid() not in (None, before))
    f.finish()


def test_supervisor_and_server(fan_out):
    f = fan_out()
    f.world.kill()
    world.kill(f.world.supervisor_pid())
    f.world.restart()
    f.finish()


def test_children_end_while_neither_server_nor_supervisor_is_there(fan_out):
    f = fan_out()
    f.world.kill()
    world.kill(f.world.supervisor_pid())
    f.open()
    for line in f.leaves:
        world.eventually("end of a leaf", lambda: not world.alive(pid_of(line)))
    f.world.restart()
    f.finish()


def test_warm_pool(fan_out):
    """Running tasks are not the zygote's to lose, and new ones get another zygote or start cold."""
    f = fan_out()
    pool = world.eventually("a warm pool", f.world.zygotes)
    for pid in pool:
        world.kill(pid)
    f.finish()
    f.world.assert_value(f.world.submit(fan.nothing), 7)


def test_child(fan_out):
    """Somebody else's SIGKILL is an interruption: a system retry."""
    f = fan_out()
    victim = f.leaves[0]
    world.kill(pid_of(victim))
    f.world.wait_lines("leaf", N + 1)
    f.finish(attempts={victim[1]: 2})


def test_parent(fan_out):
    """The second attempt finds the children that the first one started."""
    f = fan_out()
    world.kill(pid_of(f.parent))
    f.world.wait_lines("parent", 2)
    f.finish(attempts={"a0": 2})


def test_parent_while_no_server_runs(fan_out):
    f = fan_out()
    f.world.kill()
    world.kill(pid_of(f.parent))
    f.world.restart()
    f.world.wait_lines("parent", 2)
    f.finish(attempts={"a0": 2})


@pytest.mark.quick
def test_parent_between_two_traced_steps(make_world):
    """The second attempt has the results of the steps that were done; each step ran once."""
    w = make_world()
    gate = w.folder / "gate"
    r = w.submit(fan.walk, n=4, stop_at=2, gate=str(gate))
    victim = w.wait_lines("between", 1)[0]
    world.kill(pid_of(victim))
    w.wait_lines("between", 2)
    gate.touch()
    w.assert_value(r, 6)
    w.assert_witness()
    assert [int(line[5]) for line in w.lines("step")] == [0, 1, 2, 3], w.lines()
    assert w.attempts() == {"a0": [0, 1]}
    assert w.actions(r.name)["a0"] == ("succeeded", 2)


def test_s3(fan_out):
    f = fan_out()
    before = f.world.s3_pid()
    world.kill(before)
    f.open()  # results are stored when there is an endpoint again
    world.eventually("another S3 endpoint", lambda: f.world.s3_pid() not in (None, before))
    f.finish()


def test_everything_at_once(fan_out):
    f = fan_out()
    server, f.world.process = f.world.process, None
    for pid in f.world.processes():
        world.kill(pid, wait=False)
    server.wait(10)
    world.eventually("end of everything", lambda: not f.world.processes())
    f.world.restart()
    f.world.wait_lines("leaf", 2 * N)
    f.finish(attempts={name: 2 for name in ["a0", *(line[1] for line in f.leaves)]})
