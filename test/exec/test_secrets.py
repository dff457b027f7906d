"""Secrets (D-35): in variables, in files of a private mount, in a folder where no mount is permitted; two attempts at once
with different values; nothing of them is left anywhere."""
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import BUILD, Execd, alive, supervisor_pid
from waiting import wait_until
from test_process import sh

VALUE = 'correct horse battery staple 7c1e'


def file_secret(value, name='KEY', env=''):
    return [{'file': name, 'env': env, 'value': value}]


def can_mount():
    return os.geteuid() == 0 and subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode == 0


def test_in_a_variable(execd):
    e = execd()
    id, _ = e.run(sh('echo "$TOKEN"'), secrets=[{'env': 'TOKEN', 'value': VALUE}], env={'TOKEN': 'overridden'})
    assert e.log(id) == VALUE + '\n'


def test_in_files(execd):
    if not can_mount():
        pytest.skip('may not mount')
    e = execd()
    secrets = file_secret(VALUE) + file_secret('two\nlines\0and zero', 'group/SUB') + file_secret('x', 'NAMED', 'MY_PATH')
    id, o = e.run(sh('cd /etc/flyte/secrets && cat KEY && echo && od -c group/SUB && stat -c %a . KEY group && '
                     'ls; echo $MY_PATH; cat $MY_PATH; echo; echo $FLYTE_SECRETS_DEFAULT_DIR'), secrets=secrets)
    lines = e.log(id).splitlines()
    assert o['exit_code'] == 0, lines
    assert lines[0] == VALUE
    assert ''.join(lines[1].split()[1:]) == 'two\\nlines\\0andze'
    assert lines[-8:] == ['600', '700', 'KEY', 'NAMED', 'group', '/etc/flyte/secrets/NAMED', 'x', '/etc/flyte/secrets']
    assert os.listdir('/etc/flyte/secrets') == []


def test_two_at_once_with_different_values(execd, data):
    if not can_mount():
        pytest.skip('may not mount')
    e = execd(cpus=4)
    script = 'touch %s/up-$N; while [ ! -e %s/go ]; do sleep 0.02; done; cat /etc/flyte/secrets/KEY; echo " $TOKEN"' % (data, data)
    for i in (1, 2, 3):
        e.launch(sh(script), id=i, env={'N': str(i)},
                 secrets=file_secret('value %d' % i) + [{'env': 'TOKEN', 'value': 'token %d' % i}])
    wait_until(lambda: all((data / ('up-%d' % i)).exists() for i in (1, 2, 3)))
    (data / 'go').touch()
    for i in (1, 2, 3):
        e.wait_over(i)
        assert e.log(i) == 'value %d token %d\n' % (i, i)
    id, o = e.run(sh('ls /etc/flyte/secrets'), id=4)  # a task without secrets sees none
    assert e.log(id) == ''


@pytest.mark.parametrize('name', ['../escape', '/absolute', 'a/../../b', '', '.', 'a//b'])
def test_bad_names(execd, name):
    e = execd()
    id, o = e.run(sh('true'), secrets=[{'file': name or '.', 'value': 'x'}])
    assert o['state'] == 'REFUSED' and 'secret file name' in o['error']
    assert not pathlib.Path('/etc/flyte/escape').exists()


def test_nothing_is_left(execd, data):
    e = execd()
    id, _ = e.run(sh('true'), secrets=file_secret(VALUE) + [{'env': 'TOKEN', 'value': VALUE}])
    e.run(sh('sleep 0.2'))
    places = [data, pathlib.Path('/dev/shm')]
    for place in places:
        for path in place.rglob('*'):
            if path.is_file() and not path.is_symlink():
                assert VALUE.encode() not in path.read_bytes(), path


@pytest.fixture
def nobody():
    """An execd of another account, for which /etc/flyte/secrets does not exist."""
    if not can_mount() or not shutil.which('setpriv'):
        pytest.skip('needs root and setpriv')
    # Not below pytest's folder, which only its owner may enter.
    data = pathlib.Path('/tmp/tern-nobody-%d' % os.getpid())
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    for name in ('tern', 'test/execd'):
        target = data / 'build' / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / name, target)
    os.chmod(data, 0o755)
    home = data / 'data'
    home.mkdir()
    os.chown(home, 65534, 65534)
    os.makedirs('/etc/flyte', exist_ok=True)

    class Nobody(Execd):
        def command(self, args):
            args = [str(data / 'build' / 'test' / 'execd')] + [str(a) for a in args[1:]]
            args[args.index('--program') + 1] = str(data / 'build' / 'tern')
            inner = 'mount -t tmpfs tmpfs /etc/flyte && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
            return ['unshare', '-m', 'sh', '-c', inner, 'sh'] + args
    e = Nobody(home, cpus=4)
    e.wait_ready()
    yield e
    e.close()
    pid = supervisor_pid(home)
    if pid:
        os.kill(pid, 15)
        wait_until(lambda: not alive(pid))
    shutil.rmtree(data)


def test_in_a_folder_of_another_account(nobody):
    e = nobody
    id, o = e.run(sh('id -u; echo $FLYTE_SECRETS_DEFAULT_DIR; cat $FLYTE_SECRETS_DEFAULT_DIR/KEY; echo; cat $MINE; echo; '
                     'stat -c %a $FLYTE_SECRETS_DEFAULT_DIR $MINE'), secrets=file_secret(VALUE) + file_secret('m', 'sub/M', 'MINE'))
    lines = e.log(id).splitlines()
    assert o['exit_code'] == 0, e.log(id, system=True)
    assert lines[0] == '65534' and lines[2:4] == [VALUE, 'm'] and lines[4:] == ['700', '600']
    assert not lines[1].startswith('/etc') and not pathlib.Path(lines[1]).exists()
    said = e.log(id, system=True)
    assert 'FLYTE_SECRETS_DEFAULT_DIR' in said and 'does not exist' in said and VALUE not in said.replace(lines[2], '', 1)


def test_another_account_runs_tasks_and_limits_memory(nobody):
    id, o = nobody.run(['/usr/bin/python3', '-c', 'b = bytearray(b"x" * (400 << 20)); import time; time.sleep(5)'],
                       memory=100 << 20)
    assert o['oom'] and o['signal'] == 9
    id, o = nobody.run(sh('setsid sleep 300 & echo $!; sleep 0.2; exit 4'), memory=100 << 20)
    assert o['exit_code'] == 4
    orphan = int(nobody.log(id))
    wait_until(lambda: not alive(orphan))
