"""Slots on a real queue (D-22): shares, order, lending by parents that wait, deep and wide trees on one slot."""
import threading

from waiting import wait_until
from test_process import sh


def hold(data, name):
    return sh('touch {0}/up-{1}; while [ ! -e {0}/go-{1} ]; do sleep 0.01; done'.format(data, name))


def up(data, name):
    return (data / ('up-%s' % name)).exists()


def go(data, name):
    (data / ('go-%s' % name)).touch()


def test_one_after_the_other(execd, data):
    e = execd(cpus=1)
    for i in (1, 2, 3):
        e.launch(hold(data, i), id=i)
    wait_until(lambda: up(data, 1))
    o = e.see(2)
    assert o['state'] == 'WAITING' and 'waiting for CPU' in o['reason'] and '1 of 1 in use' in o['reason']
    go(data, 1)
    wait_until(lambda: up(data, 2))
    assert not up(data, 3)
    go(data, 2)
    wait_until(lambda: up(data, 3))
    go(data, 3)
    assert e.wait_over(3)['exit_code'] == 0


def test_fractions_and_memory(execd, data):
    e = execd(cpus=1, memory=1000 << 20)
    for i in range(1, 5):
        e.launch(hold(data, i), id=i, cpu=250)
    e.launch(hold(data, 5), id=5, cpu=250)
    wait_until(lambda: all(up(data, i) for i in range(1, 5)))
    assert e.see(5)['state'] == 'WAITING'
    for i in range(1, 6):
        go(data, i)
    for i in range(1, 6):
        e.wait_over(i)
    e.launch(hold(data, 6), id=6, cpu=100, memory=600 << 20)
    e.launch(hold(data, 7), id=7, cpu=100, memory=600 << 20)
    wait_until(lambda: up(data, 6))
    assert 'waiting for memory' in e.see(7)['reason']
    go(data, 6)
    wait_until(lambda: up(data, 7))
    go(data, 7)
    e.wait_over(7)


def test_above_the_machine_runs_alone_with_a_warning(execd, data):
    e = execd(cpus=2)
    e.launch(hold(data, 1), id=1)
    wait_until(lambda: up(data, 1))
    e.launch(hold(data, 2), id=2, cpu=64000)
    e.launch(hold(data, 3), id=3)
    assert e.see(2)['state'] == 'WAITING'
    go(data, 1)
    wait_until(lambda: up(data, 2))
    assert e.see(3)['state'] == 'WAITING'
    go(data, 2)
    wait_until(lambda: up(data, 3))
    go(data, 3)
    e.wait_over(3)
    assert 'asks for 64 CPU, this machine gives 2' in e.log(2, system=True)


def test_abort_in_the_queue_never_starts(execd, data):
    e = execd(cpus=1)
    e.launch(hold(data, 1), id=1)
    wait_until(lambda: up(data, 1))
    e.launch(hold(data, 2), id=2)
    e.do('abort', id=2)
    o = e.see(2)
    assert o['state'] == 'EXITED' and o['aborted'] and o['started_ns'] == 0
    go(data, 1)
    e.wait_over(1)
    assert not up(data, 2)


class Tree:
    """Plays the engine: every task of a tree waits for its children, which are launched when it runs."""

    def __init__(self, e, data, children):
        self.e, self.data, self.children = e, data, children  # children: id -> ids
        self.parent = {c: p for p, cs in children.items() for c in cs}
        self.open, self.peak, self.live = {}, 0, set()
        self.lock = threading.Lock()

    def depth(self, id):
        return 0 if id not in self.parent else 1 + self.depth(self.parent[id])

    def launch(self, id):
        self.e.launch(hold(self.data, id), id=id, depth=self.depth(id))

    def step(self, id, state):
        if state == 'RUNNING' and id not in self.open:
            self.live.add(id)
            self.peak = max(self.peak, len(self.live))
            self.open[id] = set(self.children.get(id, ()))
            for child in self.children.get(id, ()):
                self.launch(child)
            if self.open[id]:
                self.e.do('waiting', id=id, waiting=True)
            else:
                go(self.data, id)
        elif state == 'EXITED' and id in self.live:
            self.live.discard(id)
            parent = self.parent.get(id)
            if parent:
                self.open[parent].discard(id)
                if not self.open[parent]:
                    self.e.do('waiting', id=parent, waiting=False)
                    go(self.data, parent)

    def run(self, roots, timeout):
        for id in roots:
            self.launch(id)
        everyone = set(roots) | set(self.parent)
        states = {}

        def look():
            for id in sorted(everyone - {i for i, s in states.items() if s == 'EXITED'}):
                o = self.e.see(id)
                if o['state'] == 'UNKNOWN':
                    continue
                states[id] = o['state']
                if o['state'] == 'EXITED' and id not in self.open:
                    self.step(id, 'RUNNING')
                self.step(id, o['state'])
            return True if all(states.get(id) == 'EXITED' for id in everyone) else None
        self.e.wait_for(look, timeout)


def test_recursion_20_deep_on_one_slot(execd, data):
    tree = Tree(execd(cpus=1), data, {i: [i + 1] for i in range(1, 20)})
    tree.run([1], timeout=60)
    assert tree.peak == 20


def test_50_parents_with_5_children_each_on_one_slot(execd, data):
    children = {p: [1000 + p * 10 + k for k in range(5)] for p in range(1, 51)}
    tree = Tree(execd(cpus=1), data, children)
    tree.run(list(range(1, 51)), timeout=120)
    # All is done, and not all parents had to be in memory at once.
    assert tree.peak < 20


def test_a_waiting_parent_keeps_its_memory_and_still_nothing_hangs(execd, data):
    e = execd(cpus=4, memory=1000 << 20)
    e.launch(hold(data, 1), id=1, memory=800 << 20)
    wait_until(lambda: up(data, 1))
    e.launch(hold(data, 2), id=2, memory=800 << 20, depth=1)
    assert 'waiting for memory' in e.see(2)['reason']
    e.do('waiting', id=1, waiting=True)
    wait_until(lambda: up(data, 2))
    go(data, 2)
    e.wait_over(2)
    go(data, 1)
    e.wait_over(1)


def test_shares_are_known_after_a_restart(execd, data):
    e = execd(cpus=1)
    e.launch(hold(data, 1), id=1)
    wait_until(lambda: up(data, 1))
    e.kill()
    e = execd(cpus=1)
    e.launch(hold(data, 2), id=2)
    assert e.see(2)['state'] == 'WAITING'
    go(data, 1)
    wait_until(lambda: up(data, 2))
    go(data, 2)
    assert e.wait_over(2)['exit_code'] == 0
