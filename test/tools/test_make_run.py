"""tools/run.sh, which is `make run` after set-up and build: what a newcomer sees, and that nothing of it stays."""
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

import pytest

from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULT = 'The squares of 0 to 7 are [0, 1, 4, 9, 16, 25, 36, 49]; their sum is 140.'


def processes(folder):
    """The arguments of every process that has the folder in them or in its environment."""
    found = []
    for entry in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            args = (entry / 'cmdline').read_bytes()
            if os.fsencode(folder) in args + (entry / 'environ').read_bytes():
                found.append(args.replace(b'\0', b' ').decode())
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


@pytest.fixture
def start(tmp_path):
    """start(variables) -> `make run` in a home of its own; afterwards nothing may be left."""
    home, started = tmp_path / 'home', []
    home.mkdir()
    variables = {k: v for k, v in os.environ.items() if not k.startswith(('TERN_', 'FLYTE_', 'AWS_', 'XDG_', 'ONCE'))}
    variables |= {'HOME': str(home), 'RUN_FOLDER': str(tmp_path / 'run'), 'TERN_SERVER_LISTEN': 'localhost:0',
                  'TERN_SERVER_S3_LISTEN': 'localhost:0', 'NO_PROXY': 'localhost,127.0.0.1,::1'}

    def go(**more):
        started.append(subprocess.Popen([ROOT / 'tools' / 'run.sh'], cwd=ROOT, env=variables | more, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return started[-1]

    yield go
    for p in started:
        if p.poll() is None:
            p.terminate()
            p.communicate(timeout=60)
    data = home / '.local' / 'share' / 'tern'
    subprocess.run([ROOT / 'build' / 'tern', 'stop', '--tasks', '--data', data], env=variables, capture_output=True)


def test_once(start, tmp_path):
    out, _ = start(ONCE='1').communicate(timeout=300)
    # The CLI prints it in a box, perhaps with colours.
    assert RESULT in re.sub(r'(\x1b\[[\d;]*m|[\s│])+', ' ', out), out
    assert re.search(r'http://localhost:\d+/v2/domain/development/project/flytesnacks/runs/hello-\d+\n', out), out
    wait_until(lambda: not processes(tmp_path), f'the end of all processes of {tmp_path}')


def test_it_serves_until_it_is_interrupted(start, tmp_path):
    p = start()
    out = ''
    for line in p.stdout:
        out += line
        if 'until Ctrl-C' in line:
            break
    url = re.search(r'See (http://\S+)', out)
    assert url, out
    with urllib.request.urlopen(url[1], timeout=60) as page:
        assert page.status == 200 and url[1].rpartition('/')[2] in page.read().decode()
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    wait_until(lambda: not processes(tmp_path), f'the end of all processes of {tmp_path}')
