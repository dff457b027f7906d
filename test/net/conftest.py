"""The echo program (echo.c) as a fixture: started on a free port, ended with the test; its own count of callbacks and the
sanitizers' output are checked then."""
import os
import pathlib
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ECHO = pathlib.Path(os.environ.get('TERN', ROOT / 'build' / 'tern')).parent / 'test' / 'echo'


class Echo:
    def __init__(self, args, env, tmp_path):
        self.errors = open(tmp_path / 'echo.err', 'w+')
        self.process = subprocess.Popen([ECHO, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env={**os.environ, **env})
        line = self.process.stdout.readline()
        assert line.startswith('port '), self.stderr()
        self.port = int(line.split()[1])

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read()

    def connect(self, host='127.0.0.1'):
        s = socket.create_connection((host, self.port), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def report(self):
        """What the server has counted: opened, closed, completed, cpu_us, heap."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return self.read_report()

    def read_report(self):
        words = self.process.stdout.readline().split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def end_input(self):
        self.process.stdin.close()

    def stop(self):
        if not self.process.stdin.closed:
            self.end_input()
        try:
            status = self.process.wait(60)
        finally:
            self.process.kill()
        errors = self.stderr()
        assert 'Sanitizer' not in errors and 'runtime error' not in errors, errors
        assert status == 0, errors


@pytest.fixture
def start_echo(tmp_path):
    running = []

    def start(*args, **env):
        running.append(Echo(args or ['localhost:0'], {k: str(v) for k, v in env.items()}, tmp_path))
        return running[-1]

    yield start
    for e in running:
        e.stop()


@pytest.fixture
def echo(start_echo):
    return start_echo()
