"""Files of an image at absolute paths: shown to one task by a private view, the machine stays as it is."""
import os
import pathlib
import subprocess

import pytest
from conftest import BUILD

TERN = os.environ.get('TERN', str(pathlib.Path(BUILD) / 'tern'))


def can_mount():
    alone = ['unshare', '--mount'] if os.geteuid() == 0 else ['unshare', '--mount', '--user']
    return subprocess.run([*alone, 'true'], capture_output=True).returncode == 0


@pytest.fixture
def view(tmp_path):
    """Runs a shell script in a working folder with the given files, of which paths are shown below /, too."""
    def go(files, paths, script):
        work = tmp_path / 'work'
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        (tmp_path / 'paths').write_text(''.join(p + '\n' for p in paths))
        done = subprocess.run([TERN, 'view', '--paths', tmp_path / 'paths', '/bin/sh', '-c', script], cwd=work,
                              capture_output=True, text=True, timeout=60)
        assert not list(work.glob('.tern*'))
        return done
    return go


@pytest.mark.skipif(not can_mount(), reason='this account may not make mount namespaces')
def test_new_names_in_the_root_and_below_and_over_a_file(view):
    names = ['tern-view-test/deep/a', 'opt/tern-view-test/b', 'etc/hostname']
    before = {d: sorted(os.listdir(d)) for d in ('/', '/opt', '/etc')}
    hostname = pathlib.Path('/etc/hostname').read_text()
    done = view({n: n for n in names}, ['tern-view-test', 'opt/tern-view-test/b', 'etc/hostname'],
                'cat /tern-view-test/deep/a /opt/tern-view-test/b /etc/hostname; ls -d /proc/self /tmp /usr/bin/env; '
                'echo new >/tern-view-test/deep/a; cat tern-view-test/deep/a; pwd')
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(''.join(names))
    assert lines[-2] == "new" and lines[-1].endswith("/work")
    assert '/proc/self' in done.stdout and done.stderr == ''
    assert {d: sorted(os.listdir(d)) for d in before} == before
    assert pathlib.Path('/etc/hostname').read_text() == hostname


def test_without_a_view_the_task_runs_and_its_log_says_so(view, tmp_path):
    """A folder with so many names is not covered."""
    many = tmp_path / 'many'
    many.mkdir()
    for i in range(1100):
        (many / str(i)).touch()
    path = f'{many}/new/file'[1:]
    done = view({path: 'x'}, [path], f'cat {path}; ls {many}/new')
    assert 'not at their absolute paths (/a/b is at ./a/b)' in done.stderr and 'more than 1024 names' in done.stderr
    assert done.stdout == 'x' and done.returncode != 0
