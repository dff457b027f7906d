"""What a new user meets: each message says what happened, why, and what to do next."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from waiting import wait_until

from harness import BINARY, ROOT, SDK_EXITS, Tern


@pytest.fixture
def server(tmp_path):
    """Starts servers of the test's own on the folder data, with the given options."""
    made = []

    def start(*args, env=None, wait=20):
        one = Tern(tmp_path / f"s{len(made)}", args=args, env=env)
        one.data = tmp_path / "data"
        made.append(one)
        return one.start(wait=wait)

    yield start
    for one in made:
        one.finish()


def serve_fails(tmp_path, *args, **env):
    done = subprocess.run([BINARY, "serve", *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], **env})
    assert done.returncode not in (0, -signal.SIGKILL)
    return done.stderr


@pytest.fixture
def taken():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


def test_a_taken_port_is_named_with_a_way_out(tmp_path, taken):
    text = serve_fails(tmp_path, "--data", tmp_path / "d", "--listen", f"localhost:{taken}")
    assert f"listen on localhost:{taken}: the port is taken" in text
    assert "tern serve --listen localhost:0" in text


def test_a_taken_port_for_objects_does_not_stick(tmp_path, server, taken):
    """The supervisor of the failed start holds no task, so the next start may want another port."""
    text = serve_fails(tmp_path, "--data", tmp_path / "data", "--listen", "localhost:0", "--s3-listen",
                       f"localhost:{taken}")
    assert f"listen on localhost:{taken}: the port is taken" in text
    assert "objects at http://localhost:" in server("--s3-listen", "localhost:0").tail()


def test_a_folder_that_cannot_be_made_is_named_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    text = serve_fails(tmp_path, "--data", tmp_path / "file" / "data", "--listen", "localhost:0")
    assert f"data folder {tmp_path}/file" in text and "choose another with --data" in text


def test_the_server_says_where_tasks_run(server):
    assert f"tasks run in:   {sys.prefix} (VIRTUAL_ENV), Python {sys.version_info[0]}." in server().tail()


def test_the_server_says_how_its_clients_are_configured(server, tmp_path):
    """The command that is printed makes a configuration with which a run succeeds."""
    one = server()
    line = next(l for l in one.tail().splitlines() if "client config:" in l)
    assert f"--endpoint {one.endpoint} --insecure" in line
    command = line.split(":", 1)[1].split()
    flyte = pathlib.Path(sys.prefix) / "bin" / "flyte"
    config = tmp_path / "config.yaml"
    made = subprocess.run([flyte, *command[1:], "--output", config], capture_output=True, timeout=60, env=one.env())
    assert made.returncode in SDK_EXITS, made
    done = one.cli("--config", config, "run", "--follow", "images.py", "answer", timeout=120)
    assert "Created Run" in done.stdout


def test_the_server_says_when_no_task_can_run(server):
    text = server(env={"VIRTUAL_ENV": "", "PATH": "/nonexistent"}).tail()
    assert "tasks run in:   nowhere yet: no Python with flyte" in text
    for way in ("exec.local.python", "image.builder: remote", "VIRTUAL_ENV", "PATH"):
        assert way in text



def test_who_follows_a_task_that_cannot_start_sees_why(server):
    one = server("--exec.local.python", "/nonexistent/bin/python")
    done = one.cli("run", "--follow", "images.py", "needs_missing_module", check=False)
    text = " ".join((done.stdout + done.stderr).split())
    assert "Not started: exec.local.python is /nonexistent/bin/python" in text, text


def fetch(one, path):
    try:
        with urllib.request.urlopen(f"http://{one.endpoint}{path}", timeout=30) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers.get_content_type(), e.read().decode()


def test_pages_that_are_not_there_lead_back(server):
    one = server()
    for path, words in (("/v2/domain/development/project/flytesnacks/runs/nope", "run not found"),
                        ("/v2/domain/development/runs", "there is no such page")):
        status, kind, text = fetch(one, path)
        assert (status, kind) == (404, "text/html") and words in text and '<a href="/">' in text
    status, kind, text = fetch(one, "/nothing")
    assert status == 404 and "runs are listed at /" in text


def test_a_build_without_its_packages_names_them(tmp_path):
    """The commands of the package manager are played."""
    fake = tmp_path / "dpkg-query"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    done = subprocess.run(["make", f"BUILD={tmp_path}/build", "-C", ROOT], capture_output=True, text=True, timeout=120,
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)})
    assert done.returncode != 0
    assert "sudo apt-get install gcc" in done.stdout and "CC" not in done.stdout


def supervisor_of(data):
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = p.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[1:2] == [b"supervise"] and str(data).encode() in words:
            return int(p.parent.name)
    return None


@pytest.mark.parametrize("alive", [False, True], ids=["server gone", "server there"])
def test_a_supervisor_without_its_folder_ends_when_asked(server, alive):
    """A server that is still there does not start another one, nor makes the folder again."""
    one = server()
    pid = supervisor_of(one.data)
    assert pid
    if not alive:
        one.kill()
    shutil.rmtree(one.data)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    if alive:
        wait_until(lambda: f"the data folder {one.data} is gone" in one.tail())
        one.kill()
    assert supervisor_of(one.data) is None
    assert not one.data.exists()


@pytest.mark.parametrize("args,words", [
    (["version", "--data", "x"], ["--data has no use here"]),
    (["backup"], ["an argument is missing", "Usage: tern backup FILE"]),
    (["env", "--data", "/nonexistent/tern"], ["no server runs on /nonexistent/tern", "tern serve --data"]),
])
def test_wrong_commands_say_what_is_right(tmp_path, args, words):
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60,
                          env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert done.returncode != 0
    assert all(w in done.stderr for w in words), done.stderr


def test_what_is_not_there_yet_says_so(tern, cli):
    done = cli("get", "app", check=False)
    said = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert done.returncode != 0
    assert "not implemented by this version of Tern (tern rpcs lists what is)" in said
