"""What a task gets and how its end is told: exit codes, signals, folders, descriptors, logs, abort."""
import os
import pathlib
import signal
import time

import pytest
from conftest import alive
from waiting import wait_until


def sh(script):
    return ['/bin/sh', '-c', script]


@pytest.mark.parametrize('code', [0, 1, 3, 255])
def test_exit_codes(execd, code):
    _, o = execd().run(sh('exit %d' % code))
    assert (o['state'], o['exit_code'], o['signal']) == ('EXITED', code, 0)
    assert 0 < o['started_ns'] <= o['ended_ns']


@pytest.mark.parametrize('name', ['SEGV', 'TERM', 'KILL'])
def test_signals(execd, name):
    _, o = execd().run(sh('kill -%s $$' % name))
    assert (o['state'], o['exit_code'], o['signal']) == ('EXITED', 0, getattr(signal, 'SIG' + name))
    assert not o['oom'] and not o['aborted']


def test_usage_is_told(execd):
    _, o = execd().run(['/usr/bin/python3', '-c', 'x = bytearray(50 << 20); s = 0\nfor i in range(3000000): s += i'])
    assert o['max_rss'] > 50 << 20
    assert o['cpu_ns'] > 10_000_000


def test_missing_program(execd):
    e = execd()
    id, o = e.run(['no-such-program-here'])
    assert o['exit_code'] == 127
    assert 'cannot start no-such-program-here: No such file' in e.log(id, system=True)


def test_environment_is_complete(execd, data):
    e = execd()
    os.environ['LEAK'] = 'yes'
    id, o = e.run(['/usr/bin/env'], env={'A': '1', 'B': 'two words', 'C': ''})
    assert o['exit_code'] == 0
    lines = sorted(e.log(id).splitlines())
    assert lines == sorted(['A=1', 'B=two words', 'C=', 'PATH=/usr/bin:/bin', 'HOME=%s/home' % data, 'LANG=C.UTF-8'])


def test_place_and_descriptors(execd, data):
    e = execd()
    script = 'pwd; umask; ls -l /proc/$$/fd; ps -o sid=,pgid=,pid= -p $$'
    id, _ = e.run(sh(script), run='r1', action='a0')
    lines = e.log(id).splitlines()
    assert lines[0] == str(data / 'work' / 'p' / 'd' / 'r1' / 'a0' / '1')
    assert lines[1] == '0022'
    fds = [' '.join(x.split()[-3:]) for x in lines if '->' in x]
    assert '0 -> /dev/null' in fds
    assert [x for x in fds if x.startswith('1 -> ')][0].endswith('.log')
    assert len(fds) == 3
    sid, pgid, pid = lines[-1].split()
    assert sid == pgid == pid


def test_unsafe_names_stay_inside(execd, data):
    e = execd()
    id, _ = e.run(sh('pwd'), run='../../..', action='a/../../b')
    path = pathlib.Path(e.log(id).strip())
    assert path.is_relative_to(data / 'work' / 'p' / 'd')
    assert '..' not in path.parts
    id, _ = e.run(sh('pwd'), run='../../..', action='a_.._.._b')
    assert e.log(id).strip() != str(path)


def test_launch_twice_runs_once(execd, data):
    e = execd()
    for _ in range(3):
        e.launch(sh('echo x >> %s/witness' % data), id=7)
    e.wait_over(7)
    e.launch(sh('echo x >> %s/witness' % data), id=7)
    e.do('cleanup', id=7)
    e.wait_state(7, 'UNKNOWN')
    assert (data / 'witness').read_text() == 'x\n'


def test_attempts_are_apart(execd):
    e = execd()
    e.launch(sh('exit 1'), id=1, attempt=1)
    e.launch(sh('exit 2'), id=1, attempt=2)
    assert e.wait_over(1, 1)['exit_code'] == 1
    assert e.wait_over(1, 2)['exit_code'] == 2


def test_abort_ends_the_group(execd, data):
    e = execd()
    id = e.launch(sh('sleep 300 & echo $! > %s/child; sleep 300' % data))
    wait_until(lambda: (data / 'child').exists() and (data / 'child').read_text().strip())
    child = int((data / 'child').read_text())
    e.do('abort', id=id)
    o = e.wait_over(id)
    assert o['aborted'] and o['signal'] == signal.SIGTERM
    wait_until(lambda: not alive(child), what='the end of the child')


def test_abort_of_the_deaf(execd, data):
    """A task that ignores SIGTERM, with a child in another session, gets SIGKILL after the grace."""
    e = execd(grace_ms=300)
    id = e.launch(sh('trap "" TERM; setsid sleep 300 & echo $! > %s/child; while :; do sleep 1; done' % data))
    wait_until(lambda: (data / 'child').exists() and (data / 'child').read_text().strip())
    e.do('abort', id=id)
    o = e.wait_over(id)
    assert o['aborted'] and o['signal'] == signal.SIGKILL


def test_a_task_may_use_its_grace(execd, data):
    e = execd()
    id = e.launch(sh('trap "echo bye; exit 9" TERM; echo up; while :; do sleep 0.05; done'))
    e.wait_state(id, 'RUNNING')
    wait_until(lambda: 'up' in e.log(id))
    e.do('abort', id=id)
    assert e.wait_over(id)['exit_code'] == 9
    assert 'bye' in e.log(id)


def test_orphans_end_with_the_task(execd, data):
    e = execd()
    id, _ = e.run(sh('sleep 300 & echo $!; setsid sleep 300 & echo $!'))
    pids = [int(x) for x in e.log(id).split()]
    assert len(pids) == 2
    for pid in pids:
        wait_until(lambda: not alive(pid), what='the end of an orphan')


def test_no_zombies_and_no_descriptors_are_left(execd):
    e = execd()
    e.run(sh('true'))
    pid = e.supervisor_pid()
    count = len(os.listdir('/proc/%d/fd' % pid))
    for _ in range(20):
        id, _ = e.run(sh('true'))
        e.do('cleanup', id=id)
    wait_until(lambda: len(os.listdir('/proc/%d/fd' % pid)) <= count, what='closing descriptors')
    children = pathlib.Path('/proc/%d/task/%d/children' % (pid, pid)).read_text().split()
    assert children == []


def test_list_and_cleanup(execd):
    e = execd()
    a, _ = e.run(sh('true'))
    b = e.launch(sh('sleep 300'))
    e.wait_state(b, 'RUNNING')
    assert sorted(e.do('list')['keys']) == [[a, 1], [b, 1]]
    assert e.ask('cleanup', id=b)['code'] == 'failed_precondition'
    e.do('cleanup', id=a)
    e.wait_for(lambda: True if e.do('list')['keys'] == [[b, 1]] else None)
    e.do('abort', id=b)
    e.wait_over(b)


def test_discard_removes_folder_and_log(execd, data):
    e = execd()
    id, _ = e.run(sh('mkdir -p deep/er && touch deep/er/file && ln -s /etc deep/link && echo hello'), run='r9', action='x')
    assert e.ask('discard', id=id, run='r9', action='x')['code'] == 'failed_precondition'
    e.do('cleanup', id=id)
    e.do('discard', id=id, run='r9', action='x', log=True)
    assert not (data / 'work' / 'p').exists()
    assert os.path.exists('/etc/passwd')
    assert e.ask('log', id=id)['code'] == 'not_found'


def test_refusals(execd):
    e = execd(memory=1 << 30, container_runtime='none')
    id = e.launch(['x'], container=True, image='alpine:3')
    o = e.see(id)
    assert o['state'] == 'REFUSED' and not o['system']
    assert 'podman' in o['error'] and 'exec.local.container_runtime' in o['error']
    id = e.launch(['x'], gpus=64)
    o = e.see(id)
    assert (o['state'], o['error_code']) == ('REFUSED', 'ResourcesUnavailable')
    id = e.launch(['a0'], python=True)
    o = e.see(id)
    assert o['state'] == 'REFUSED'
    for way in ('exec.local.python', 'image.builder: remote', 'VIRTUAL_ENV', 'PATH'):
        assert way in o['error']


def test_pickle_of_another_python_is_refused(execd, venv):
    e = execd(python=venv)
    mine = next((venv / 'lib').glob('python3.*')).name[6:]
    argv = ['a0', '--pkl', 's3://tern/code.pkl.gz', '--dest', '.']
    id = e.launch(argv, python=True, image='ghcr.io/flyteorg/flyte:py3.99-v2.12.1')
    o = e.see(id)
    assert (o['state'], o['error_code']) == ('REFUSED', 'PythonVersionMismatch')
    assert '3.99' in o['error'] and mine in o['error']
    for image, args in (('ghcr.io/flyteorg/flyte:py%s-v2.12.1' % mine, argv), ('mine:1', argv),
                        ('ghcr.io/flyteorg/flyte:py3.99-v2.12.1', ['a0', '--tgz', 'x'])):
        _, o = e.run(args, python=True, image=image)
        assert o['state'] == 'EXITED'


def test_other_sdk_version_is_said(execd, venv):
    e = execd(python=venv)
    id, _ = e.run(['a0', '--help'], python=True, image='my/image:7', sdk_version='2.0.0')
    text = e.log(id, system=True)
    assert 'my/image:7' in text and str(venv) in text
    assert 'made with flyte 2.0.0, this environment has flyte 2.' in text


def test_argument_too_long_is_told(execd):
    e = execd()
    id, o = e.run(['/bin/echo', 'x' * 200_000])
    assert o['exit_code'] == 126
    assert 'Argument list too long' in e.log(id, system=True)


def test_more_than_a_message_holds_is_refused(execd):
    e = execd()
    id = e.launch(['/bin/true'], env={'BIG%d' % i: 'x' * 1_000_000 for i in range(9)})
    o = e.see(id)
    assert o['state'] == 'REFUSED' and not o['system'] and '8 MiB' in o['error']
    _, o = e.run(['/bin/true'])
    assert o['exit_code'] == 0


def test_many_at_once(execd):
    e = execd(cpus=8)
    start = time.monotonic()
    ids = [e.launch(sh('echo %d' % i)) for i in range(200)]
    for i, id in enumerate(ids):
        assert e.wait_over(id)['exit_code'] == 0
        assert e.log(id) == '%d\n' % i
    print('200 processes in %.2f s' % (time.monotonic() - start))
