"""Ports are kept from start to start, and never changed under tasks that run (D-13)."""
import contextlib
import json
import socket
import urllib.error
import urllib.request

import pytest

import holder
import world

pytestmark = pytest.mark.quick


def ports(w):
    """Of the API and of the S3 endpoint."""
    state = json.loads((w.data / "run" / "server.json").read_text())
    return int(w.endpoint.rpartition(":")[2]), int(state["s3"].rpartition(":")[2])


@contextlib.contextmanager
def taken(port):
    """By somebody else, on one of the two loopback addresses."""
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        world.eventually(f"port {port} is free", lambda: not bind(s, port))
        s.listen()
        yield


def bind(s, port):
    try:
        s.bind(("::1", port))
    except OSError as e:
        return e
    return None


def start_anew(w, **options):
    """As the first time: with port 0."""
    return w.start(listen="localhost:0", **options)


def stop_all(w):
    w.command("stop", "--tasks")
    w.process.wait(20)
    w.process = None
    world.eventually("end of the endpoint", lambda: w.s3_pid() is None)


def answers(address, port):
    try:
        return urllib.request.urlopen(f"http://{address}:{port}/", timeout=10).status
    except urllib.error.HTTPError as e:
        return e.code


def test_localhost_is_both_addresses(make_world):
    for port in ports(make_world()):
        assert answers("127.0.0.1", port) == answers("[::1]", port) in (200, 302, 403, 404)


def test_ports_are_the_same_after_a_restart(make_world):
    w = make_world()
    before = ports(w)
    stop_all(w)
    start_anew(w)
    assert ports(w) == before


def test_without_tasks_another_port_is_as_good(make_world):
    w = make_world()
    api, s3 = ports(w)
    stop_all(w)
    with taken(api), taken(s3):
        start_anew(w)
        assert api not in ports(w) and s3 not in ports(w)
        assert answers("127.0.0.1", ports(w)[1]) in (403, 404)


@pytest.mark.parametrize("which", [0, 1], ids=["api", "s3"])
def test_under_running_tasks_no_port_changes(make_world, which):
    w = make_world()
    path = w.folder / "held"
    run = w.submit(holder.hold, path=str(path))
    world.eventually("a running task", path.exists)
    before = ports(w)
    w.kill()
    world.kill(w.supervisor_pid())
    world.kill(w.s3_pid())
    with taken(before[which]):
        with pytest.raises(RuntimeError) as e:
            start_anew(w)
        text = str(e.value)
        assert f":{before[1]}" in text if which else f"port {before[0]} " in text
        assert "taken" in text and "tasks that run (1)" in text and "tern stop --tasks" in text
    w.process = None
    start_anew(w)
    assert ports(w) == before
    path.with_name("held.go").touch()
    w.assert_value(run, "let go")

