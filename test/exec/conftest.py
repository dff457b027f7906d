"""Fixtures for the executor's tests: execd (a server's exec part alone), the real supervisor, a data folder of its own."""
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('TERN_BUILD', ROOT / 'build'))
OVER = ('EXITED', 'LOST', 'REFUSED')


def sdk_venv():
    """The venv with the SDK: TERN_TEST_VENV, else the project's."""
    for path in (os.environ.get('TERN_TEST_VENV'), ROOT / '.venv'):
        if path and (pathlib.Path(path) / 'bin' / 'a0').exists():
            return pathlib.Path(path)
    return None


class Execd:
    """One running execd; replies are matched to commands, events are kept."""

    def __init__(self, data, **options):
        self.data = pathlib.Path(data)
        args = [BUILD / 'test' / 'execd', '--data', data, '--program', BUILD / 'tern', '--idle-exit', '3']
        for name, value in options.items():
            args += ['--' + name.replace('_', '-'), str(value)]
        env = {k: v for k, v in os.environ.items() if k not in ('VIRTUAL_ENV',)}
        env['PATH'] = '/usr/bin:/bin'
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=0')  # the supervisor is not dumpable: leaks cannot be looked for
        self.process = subprocess.Popen(self.command(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.answers, self.changed = queue.Queue(), threading.Condition()
        self.events = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.next_id = 0

    def command(self, args):
        return args

    def read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if message['event'] == 'answer':
                self.answers.put(message)
                continue
            with self.changed:
                self.events.append(message)
                self.changed.notify_all()
        self.answers.put(None)
        with self.changed:
            self.changed.notify_all()

    def wait_ready(self):
        self.wait_for(lambda: any(e['event'] == 'ready' for e in self.events) or None)

    def ask(self, op, **fields):
        self.process.stdin.write(json.dumps({'op': op, **fields}) + '\n')
        self.process.stdin.flush()
        answer = self.answers.get(timeout=30)
        if answer is None:
            raise RuntimeError('execd has ended')
        return answer

    def do(self, op, **fields):
        answer = self.ask(op, **fields)
        assert answer['code'] == 'ok', answer
        return answer

    def launch(self, argv, id=None, attempt=1, **fields):
        if id is None:
            self.next_id += 1
            id = self.next_id
        fields.setdefault('run', 'run')
        fields.setdefault('action', 'a%d' % id)
        self.do('launch', id=id, attempt=attempt, argv=argv, **fields)
        return id

    def see(self, id, attempt=1):
        return self.do('observe', id=id, attempt=attempt)

    def wait_for(self, look, timeout=30):
        """Calls look() after every event until it answers; a slow look after half a second as well."""
        end = time.monotonic() + timeout
        while True:
            with self.changed:
                seen = len(self.events)
            found = look()
            if found is not None:
                return found
            assert time.monotonic() < end, 'nothing came'
            assert self.process.poll() is None, 'execd has ended'
            with self.changed:
                if len(self.events) == seen:
                    self.changed.wait(0.5)

    def wait_state(self, id, *states, attempt=1, timeout=30):
        def look():
            o = self.see(id, attempt)
            return o if o['state'] in states else None
        return self.wait_for(look, timeout)

    def wait_over(self, id, attempt=1, timeout=30):
        return self.wait_state(id, *OVER, attempt=attempt, timeout=timeout)

    def run(self, argv, timeout=30, **fields):
        id = self.launch(argv, **fields)
        return id, self.wait_over(id, timeout=timeout)

    def log(self, id, attempt=1, system=False):
        """All lines of an ended attempt, as text."""
        lines, cursor = [], 0
        while True:
            page = self.do('log', id=id, attempt=attempt, cursor=cursor)
            lines += page['lines']
            cursor = page['next']
            if page['ended'] or not page['lines']:
                break
        return ''.join(x['text'] for x in lines if system or not x['system'])

    def supervisor_pid(self):
        return supervisor_pid(self.data)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(timeout=30) == 0


def supervisor_pid(data):
    """The process that holds the folder's lock, found by its inode in /proc/locks; None when nobody does."""
    lock = pathlib.Path(data) / 'run' / 'supervisor.lock'
    if not lock.exists():
        return None
    inode = str(lock.stat().st_ino)
    for line in pathlib.Path('/proc/locks').read_text().splitlines():
        words = line.split()
        if 'FLOCK' in words and words[-3].split(':')[-1] == inode:
            return int(words[-4])
    return None


def alive(pid):
    try:
        state = pathlib.Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[0]
    except OSError:
        return False
    return state not in 'ZX'


@pytest.fixture
def data():
    path = tempfile.mkdtemp(prefix='tern-exec-')
    yield pathlib.Path(path)
    pid = supervisor_pid(path)
    if pid:
        os.kill(pid, signal.SIGTERM)
        try:
            wait_until(lambda: not alive(pid), what='the end of the supervisor')
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise
    check_log(path)
    shutil.rmtree(path)


def check_log(path):
    """No sanitizer's report stands in the supervisor's log."""
    log = pathlib.Path(path) / 'log' / 'supervisor.log'
    if log.exists():
        text = log.read_text(errors='replace')
        assert 'Sanitizer' not in text and 'runtime error' not in text, text


@pytest.fixture
def execd(data):
    """A function that starts one; all are closed at the end."""
    running = []

    def start(**options):
        e = Execd(data, **options)
        running.append(e)
        e.wait_ready()
        return e
    yield start
    for e in running:
        if e.process.poll() is None:
            e.close()


@pytest.fixture
def venv():
    path = sdk_venv()
    if path is None:
        pytest.skip('no venv with flyte: set TERN_TEST_VENV')
    return path


def pytest_report_header():
    return 'tern: %s, venv: %s, python %s' % (BUILD, sdk_venv(), sys.version.split()[0])
