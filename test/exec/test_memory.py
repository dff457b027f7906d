"""Memory limits for real: by cgroup where this machine has one, and by sampling everywhere."""
import os
import pathlib
import signal

import pytest
from test_process import sh

HOG = 'import time\nb = []\nfor i in range(400):\n    b.append(bytearray(b"x" * (1 << 20)))\n    time.sleep(0.002)\nprint("done")\n'
LIMIT = 96 << 20


def cgroup_works():
    return os.geteuid() == 0 and any(pathlib.Path(p).exists() for p in
                                     ('/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max'))


@pytest.fixture(params=['yes', 'no'], ids=['cgroup', 'sampled'])
def limited(request, execd):
    if request.param == 'yes' and not cgroup_works():
        pytest.skip('no cgroup that this account may use')
    return execd(cgroup=request.param)


def test_over_the_limit_is_oom(limited):
    id, o = limited.run(['/usr/bin/python3', '-c', HOG], memory=LIMIT)
    assert o['oom'] and o['signal'] == signal.SIGKILL and not o['aborted']
    assert 'done' not in limited.log(id)


def test_below_the_limit_is_not(limited):
    id, o = limited.run(['/usr/bin/python3', '-c', HOG.replace('400', '20')], memory=LIMIT)
    assert (o['exit_code'], o['signal'], o['oom']) == (0, 0, False)
    assert 'done' in limited.log(id)


def test_no_limit_without_a_request(limited):
    _, o = limited.run(['/usr/bin/python3', '-c', HOG])
    assert (o['exit_code'], o['oom']) == (0, False)


def test_a_killed_child_ends_the_whole_attempt(limited):
    """The leader is small; what it has started is not. The attempt as a whole is over its limit."""
    script = 'import subprocess, sys, time\nsubprocess.run([sys.executable, "-c", %r])\ntime.sleep(60)\nprint("on")' % HOG
    id, o = limited.run(['/usr/bin/python3', '-c', script], memory=LIMIT)
    assert o['oom'] and o['signal'] == signal.SIGKILL
    assert 'on' not in limited.log(id)


def test_the_sum_counts(limited):
    """Four processes of 40 MiB are over 96 MiB, each alone is not."""
    one = 'import time; b = bytearray(b"x" * (40 << 20)); time.sleep(20)'
    _, o = limited.run(sh(' & '.join(["/usr/bin/python3 -c '%s'" % one] * 4) + ' & wait; echo on'), memory=LIMIT)
    assert o['oom'] and o['signal'] == signal.SIGKILL


def test_killed_by_hand_is_not_oom(limited):
    _, o = limited.run(sh('kill -9 $$'), memory=LIMIT)
    assert o['signal'] == signal.SIGKILL and not o['oom']


def test_groups_are_removed(execd, data):
    if not cgroup_works():
        pytest.skip('no cgroup that this account may use')
    e = execd()
    id = e.launch(sh('cat /proc/self/cgroup; setsid sleep 300 & sleep 0.2; exit 0'), memory=LIMIT)
    e.wait_over(id)
    paths = [line.split(':')[2] for line in e.log(id).splitlines() if ':memory:' in line or ':pids:' in line]
    for path in paths:
        assert '/tern-' in path
    e.run(sh('sleep 0.3'))
    found = [p for root in ('memory', 'pids') for path in paths
             for p in [pathlib.Path('/sys/fs/cgroup') / root / path.lstrip('/')] if p.exists()]
    assert found == []
