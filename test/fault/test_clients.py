"""Clients that vanish, park in great numbers, or do not read: memory bounded, everybody else served."""
import contextlib
import json
import os
import resource
import selectors
import socket
import struct
import time

import pytest

import fan
import talk
import wire
import world

STREAMS = 10_000
SLOW = 1_000
# Of a parked stream, everything counted: connection, request, response, the kernel's epoll entry is not ours. On the heap
# it is under 1 KiB (D-16); resident are also what each worker keeps for reuse and pages that are half full.
PARKED_BYTES = 1344
# A connection may have 256 KiB unsent, and the message that went over that.
SLOW_BYTES = 512 * 1024


def rss(pid):
    for line in world.read(f"/proc/{pid}/status").decode().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} is gone")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def files_limit(soft):
    """For this process, and for what it starts meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def reset(s):
    """Closes with RST: the other side learns it at once and in the rudest way."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def dechunk(body):
    """The payload of a chunked body, as far as it is there; whether it is complete."""
    out = b""
    while True:
        head, found, rest = body.partition(b"\r\n")
        if not found:
            return out, False
        n = int(head, 16)
        if n == 0:
            return out, True
        if len(rest) < n + 2:
            return out + rest[:n], False
        out, body = out + rest[:n], rest[n + 2:]


def read_all(sockets, wait_s=120):
    """What each socket gets until its response ends."""
    got, open_ = {s: b"" for s in sockets}, len(sockets)
    selector = selectors.DefaultSelector()
    for s in sockets:
        s.setblocking(False)
        selector.register(s, selectors.EVENT_READ)
    end = time.monotonic() + wait_s
    while open_:
        assert time.monotonic() < end, f"{open_} streams have not ended"
        for key, _ in selector.select(1):
            s = key.fileobj
            piece = s.recv(65536)
            got[s] += piece
            if not piece or got[s].endswith(b"\r\n0\r\n\r\n"):
                selector.unregister(s)
                open_ -= 1
    return got


def messages(response):
    """The JSON messages of a stream's response, the end included."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    payload, complete = dechunk(body)
    assert complete, "the response was cut"
    return [(flags, json.loads(m)) for flags, m in wire.frames(payload)]


def watch(endpoint, name):
    return wire.open_stream(endpoint, wire.RUNS + "WatchRunDetails", {"runId": wire.run_id(name)})


def wait_first(sockets, wait_s=120):
    """Until each has got something: its stream is open and parked, or about to be."""
    selector = selectors.DefaultSelector()
    for s in sockets:
        selector.register(s, selectors.EVENT_READ)
    end, left = time.monotonic() + wait_s, len(sockets)
    while left:
        assert time.monotonic() < end, f"{left} streams got nothing"
        for key, _ in selector.select(1):
            selector.unregister(key.fileobj)
            left -= 1


def test_parked_streams(make_world):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = STREAMS if hard == resource.RLIM_INFINITY else min(STREAMS, hard - 500)
    if count < STREAMS:
        print(f"the machine allows {hard} files: {count} streams instead of {STREAMS}")
    w = make_world(start=False)
    with files_limit(1024):  # what an ordinary shell gives
        w.start()
    assert wire.create_run(w.endpoint, wire.sleeper("asleep")).status == 200
    world.eventually("sleep", lambda: wire.phase(w.endpoint, "asleep") == "ACTION_PHASE_RUNNING")
    with files_limit(hard):
        warm = [watch(w.endpoint, "asleep") for _ in range(100)]  # pools and caches have their size
        wait_first(warm)
        before, sockets = rss(w.process.pid), []
        for _ in range(count // 500):
            some = [watch(w.endpoint, "asleep") for _ in range(500)]
            wait_first(some)
            sockets += some
        grown = (rss(w.process.pid) - before) / len(sockets)
        print(f"{len(sockets)} parked streams, {grown:.0f} bytes each")
        assert grown < PARKED_BYTES
        assert wire.create_project(w.endpoint, "meanwhile").status == 200
        assert "meanwhile" in wire.projects(w.endpoint)
        a = wire.call(w.endpoint, wire.RUNS + "AbortRun", {"runId": wire.run_id("asleep"), "reason": "enough"})
        assert a.status == 200, a
        for response in read_all(sockets + warm).values():
            *states, (flags, end) = messages(response)
            assert flags & 2 and "error" not in end, end
            assert states[-1][1]["details"]["action"]["status"]["phase"] == "ACTION_PHASE_ABORTED"
        for s in sockets + warm:
            s.close()
    world.eventually("the connections' end", lambda: descriptors(w.process.pid) < 200)


@pytest.mark.quick
def test_tasks_keep_the_limits_of_the_shell(make_world):
    """The server and the supervisor raise their own limit of open files, not that of tasks."""
    w = make_world(start=False)
    with files_limit(1024):
        w.start()
    gate = w.folder / "gate"
    r = w.submit(fan.out, n=1, gate=str(gate))
    for line in (*w.wait_lines("parent", 1), *w.wait_lines("leaf", 1)):
        limits = world.read(f"/proc/{line[3]}/limits").decode()
        assert next(x for x in limits.splitlines() if x.startswith("Max open files")).split()[3] == "1024"
    gate.touch()
    w.assert_succeeded(r, 1)


def test_clients_vanish_in_the_middle_of_a_stream(make_world):
    w = make_world()
    assert wire.create_run(w.endpoint, wire.sleeper("asleep")).status == 200
    before = descriptors(w.process.pid)
    for _ in range(5):
        sockets = [watch(w.endpoint, "asleep") for _ in range(100)]
        wait_first(sockets[:50])  # the others vanish at any moment
        for s in sockets:
            reset(s)
    world.eventually("the connections' end", lambda: descriptors(w.process.pid) <= before + 5)
    assert wire.phase(w.endpoint, "asleep") in ("ACTION_PHASE_RUNNING", "ACTION_PHASE_QUEUED")
    assert w.process.poll() is None


def half_request(port, head, body):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall(head.encode() + body)
    return s


def test_client_vanishes_in_the_middle_of_a_request(make_world):
    w = make_world()
    host, port = wire.split(w.endpoint)
    body = json.dumps({"project": {"id": "half", "name": "half"}}).encode()
    before = descriptors(w.process.pid)
    for cut in (0, 1, len(body) - 1):
        s = half_request(port, f"POST {wire.PROJECTS}CreateProject HTTP/1.1\r\nHost: {w.endpoint}\r\n"
                               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n", body[:cut])
        reset(s) if cut % 2 else s.close()
    world.eventually("the connections' end", lambda: descriptors(w.process.pid) <= before)
    assert wire.projects(w.endpoint) == {"flytesnacks"}


def test_client_vanishes_in_the_middle_of_an_upload(make_world):
    """Nothing of it is stored, and nothing is left of it on the disk."""
    w = make_world()
    data = os.urandom(4 << 20)
    url, headers = wire.upload(w.endpoint, data)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"

    def stored():
        return {p.relative_to(w.data): p.stat().st_size for p in (w.data / "objects").rglob("*") if p.is_file()}

    before, files = descriptors(w.s3_pid()), stored()
    for cut in (0, 100_000, len(data) - 1):
        reset(half_request(url.port, head, data[:cut]))
    world.eventually("the connections' end", lambda: descriptors(w.s3_pid()) <= before)
    world.eventually("nothing left", lambda: stored() == files)
    s = half_request(url.port, head, data)
    assert s.recv(100).startswith(b"HTTP/1.1 200"), "the same upload, whole"
    s.close()
    assert len(stored()) == len(files) + 1


def tail(endpoint, action, receive_bytes=None):
    message = {"actionId": {"run": wire.run_id(action.run_name), "name": "a0"}, "attempt": 1}
    return wire.open_stream(endpoint, "/flyteidl2.workflow.RunLogsService/TailLogs", message, receive_bytes)


def test_slow_readers(make_world):
    """A log of 8 MiB asked for by clients that do not read it: what is sent waits in the file, not in memory."""
    w = make_world()
    r = w.submit(talk.talk, lines=80_000)
    w.assert_value(r, 80_000)
    whole = read_all([tail(w.endpoint, r.action)])
    size = max(len(x) for x in whole.values())
    assert size > 8 << 20
    before = rss(w.process.pid)
    with files_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        slow = [tail(w.endpoint, r.action, receive_bytes=4096) for _ in range(SLOW)]
        wait_first(slow)
        (again,) = read_all([tail(w.endpoint, r.action)]).values()
        assert len(dechunk(again.partition(b"\r\n\r\n")[2])[0]) > 8 << 20, "who reads is served"
        grown = (rss(w.process.pid) - before) / SLOW
        print(f"{SLOW} slow readers, {grown:.0f} bytes each")
        assert grown < SLOW_BYTES
        assert wire.create_project(w.endpoint, "meanwhile").status == 200
        for s in slow:
            reset(s)
    world.eventually("the connections' end", lambda: descriptors(w.process.pid) < 200)
