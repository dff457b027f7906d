"""Hostile HTTP at the API's port and at the S3 endpoint's (what is sent: test/hostile.py): refused within limits, while
somebody else is served; what it took is given back, and a run succeeds afterwards."""
import contextlib
import gzip
import http.client
import os
import resource
import socket
import struct

import pytest

import fan
import hostile
import wire
import world
from frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, PROTOCOL_ERROR,
                    PREFACE, REFUSED_STREAM, RST_STREAM, Client, block, field, frame, settings)
from hostile import read_all
from test_clients import descriptors, rss

LIMIT = 1 << 20
# What the allocator may keep of an attack; each that was let through would take several times as much.
KEPT_BYTES = 48 << 20
# What may wait on a connection of HTTP/2, and less than what /openapi.json has.
WAITING_BYTES, OPENAPI_BYTES = 64 << 20, 400_000
LIST_PROJECTS = wire.PROJECTS + "ListProjects"
JSON = ("content-type", "application/json")


class Target:
    """A port, and what is right to ask of it."""

    def __init__(self, port, pid, path, good):
        self.port, self.pid, self.path, self.good = port, pid, path, good
        self.host = f"localhost:{port}".encode()
        self.fields = b"Content-Type: application/json\r\n"

    def connect(self, receive_bytes=None):
        s = socket.socket()
        if receive_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        s.settimeout(wire.TIMEOUT_S)
        s.connect(("127.0.0.1", self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def answers(self, request):
        """What comes until the server closes."""
        with self.connect() as s:
            with contextlib.suppress(OSError):  # it may close before it has read everything
                s.sendall(request)
            return read_all(s)

    def post(self, headers, body):
        return b"POST %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n%s" % (self.path.encode(), self.host, self.fields, headers, body)

    @contextlib.contextmanager
    def http2(self, receive_bytes=None, **values):
        with self.connect(receive_bytes) as s:
            c = Client(s, **values)
            c.host = self.host
            yield c


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    w = world.World(tmp_path_factory.mktemp("http") / "w", args=["--limits.message_bytes", str(LIMIT)])
    w.start()
    assert wire.create_run(w.endpoint, wire.sleeper("asleep")).status == 200
    yield w
    w.assert_succeeded(w.submit(fan.out, n=2), 2)
    w.finish()


def api_target(w):
    return Target(wire.split(w.endpoint)[1], w.process.pid, LIST_PROJECTS, lambda: wire.projects(w.endpoint))


def s3_target(w):
    url, headers = wire.upload(w.endpoint, b"good")

    def put():
        assert wire.post(url.netloc, f"{url.path}?{url.query}", b"good", headers=headers, method="PUT").status == 200
    return Target(url.port, w.s3_pid(), "/tern/x", put)


@pytest.fixture(params=[api_target, s3_target], ids=["api", "s3"])
def target(request, server):
    """With a bystander; at the end everything that the attack took has been given back."""
    t = request.param(server)
    for _ in range(20):
        t.good()
    files, memory = descriptors(t.pid), rss(t.pid)
    with world.Meanwhile(t.good) as t.bystander:
        yield t
        t.bystander.served()
    assert server.process.poll() is None, server.tail()
    world.eventually("the connections' end", lambda: descriptors(t.pid) <= files + 20)
    kept = rss(t.pid) - memory
    assert kept < KEPT_BYTES, f"{kept} bytes"


API = pytest.mark.parametrize("target", [api_target], ids=["api"], indirect=True)
quick = pytest.mark.quick


# ---- HTTP/1.1 ------------------------------------------------------------------------------------------------------

@quick
def test_ambiguous_heads(target):
    path = target.path.encode()
    for request in hostile.ambiguous_heads(target.host, path, path, target.fields):
        hostile.assert_refused_and_ended(target.answers(request))


@quick
def test_broken_chunks(target):
    """The S3 endpoint may have refused the head before it sees the body: then the rest only ends the connection."""
    path = target.path.encode()
    for request in hostile.broken_chunks(target.host, path, path, target.fields):
        answer = target.answers(request)
        if not answer or answer.split()[1] == b"403":
            assert target.path.startswith("/tern/") and answer.count(b"HTTP/1.1 ") <= 1, answer
        else:
            hostile.assert_refused_and_ended(answer)


@quick
def test_heads_over_the_limits(target):
    for head, status in hostile.oversized(target.host):
        assert target.answers(head).split()[1] == status


@quick
@API
def test_trailers_and_extensions_change_nothing(target):
    chunked = target.post(b"Transfer-Encoding: chunked\r\n", b"2;a=b;c\r\n{}\r\n0;d\r\nContent-Length: 500\r\n"
                          b"Transfer-Encoding: chunked\r\nHost: evil\r\nContent-Type: text/plain\r\n\r\n")
    answer = target.answers(chunked + target.post(b"Content-Length: 2\r\nConnection: close\r\n", b"{}"))
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1 ") == answer.count(b'"id":"flytesnacks"') == 2, answer


@quick
@API
@pytest.mark.parametrize("framing", [b"Content-Length: 9223372036854775807\r\n", b"Transfer-Encoding: chunked\r\n"],
                         ids=["length", "chunk"])
def test_a_body_of_any_size_is_promised(target, framing):
    size = b"" if b"Length" in framing else b"fffffffffffffff\r\n"
    answer = target.answers(target.post(framing, size + b" " * (4 * LIMIT)))
    assert answer.count(b"HTTP/1.1 ") == 1 and b"resource_exhausted" in answer, answer


@quick
@API
def test_a_target_with_the_name_of_the_host(target):
    own = b"POST http://%s%s HTTP/1.1" % (target.host, target.path.encode())
    _, _, rest = target.post(b"Content-Length: 2\r\nConnection: close\r\n", b"{}").partition(b"\r\n")
    assert target.answers(own + b"\r\n" + rest).startswith(b"HTTP/1.1 200 ")


# ---- HTTP/2 --------------------------------------------------------------------------------------------------------

def open_post(client, target, stream):
    return client.request(stream, target.path, "POST", [JSON], end=False)


@quick
def test_broken_frames(target):
    for data in hostile.BROKEN_FRAMES:
        with target.http2() as c:
            c.try_send(data)
            assert c.goaway() != NO_ERROR, data


@quick
def test_malformed_heads(target):
    with target.http2() as c:
        for i, head in enumerate(hostile.MALFORMED_HEADS):
            c.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head))
            _, _, _, payload = c.until(RST_STREAM, 2 * i + 1)
            assert struct.unpack(">I", payload)[0] == PROTOCOL_ERROR, head


FLOODS = dict(hostile.FLOODS)
EMPTY_DATA = FLOODS.pop("empty data")


@quick
@pytest.mark.parametrize("name", FLOODS)
def test_floods_of_frames(target, name):
    with target.http2() as c:
        c.send(open_post(c, target, 1))
        assert hostile.flood(c, FLOODS[name], 50_000) in (ENHANCE_YOUR_CALM, None)


@quick
@API
def test_flood_of_empty_data(target):
    """The S3 endpoint has answered before the data comes: then it means nothing and costs nothing."""
    with target.http2() as c:
        c.send(open_post(c, target, 1))
        assert hostile.flood(c, EMPTY_DATA, 50_000) in (ENHANCE_YOUR_CALM, None)


@quick
@pytest.mark.parametrize("end", [False, True], ids=["open", "complete"])
def test_rapid_reset(target, end):
    with target.http2() as c:
        make = hostile.opened_and_reset(c, target.path, [JSON], end)
        assert hostile.flood(c, make, 20_000) in (ENHANCE_YOUR_CALM, None)


@quick
def test_rapid_reset_by_the_server(target):
    with target.http2() as c:
        make = hostile.opened_and_overflown(c, target.path, [JSON])
        assert hostile.flood(c, make, 20_000) in (ENHANCE_YOUR_CALM, None)


@quick
def test_continuation_flood(target):
    """Empty ones, and ones that bring fields without end."""
    for make in (hostile.continuation_flood, lambda i: frame(CONTINUATION, 0, 1, field(f"a{i}", "x" * 1000))):
        with target.http2() as c:
            c.send(frame(HEADERS, 0, 1, block()))
            assert hostile.flood(c, make, 20_000) != NO_ERROR


@quick
def test_header_bomb(target):
    for _ in range(10):
        with target.http2() as c:
            c.send(hostile.HEADER_BOMB)
            assert c.goaway() == ENHANCE_YOUR_CALM


@quick
@API
def test_streams_above_the_limit(target):
    with target.http2() as c:
        c.send(*[open_post(c, target, 2 * i + 1) for i in range(300)])
        for _ in range(300 - 256):
            assert struct.unpack(">I", c.until(RST_STREAM)[3])[0] == REFUSED_STREAM
        target.bystander.served()
        c.send(frame(DATA, END_STREAM, 1, b"{}"))
        assert b"flytesnacks" in c.body(1)


@quick
@API
@pytest.mark.parametrize("more", [frame(DATA, 0, 1, b"x"), frame(HEADERS, END_HEADERS | END_STREAM, 1, field("a", "b"))],
                         ids=["data", "trailers"])
def test_more_behind_the_end_of_a_request(target, more):
    """Of a stream that is parked, so that it is open on our side."""
    with target.http2() as c:
        watch = wire.frame(b'{"runId":{"project":"flytesnacks","domain":"development","name":"asleep"}}')
        c.send(c.request(1, wire.RUNS + "WatchRunDetails", "POST", [("content-type", "application/connect+json")], end=False),
               frame(DATA, END_STREAM, 1, watch))
        assert b"asleep" in c.until(DATA, 1)[3]
        c.send(more)
        assert c.goaway() not in (NO_ERROR, None)


@quick
@API
def test_another_authority(target):
    with target.http2() as c:
        c.host = "evil.example"
        c.send(c.request(1, target.path, "POST", [JSON], end=False), frame(DATA, END_STREAM, 1, b"{}"))
        assert b"permission_denied" in c.body(1)


@quick
@API
def test_answers_that_nobody_takes(target):
    """Windows of zero, and answers of much more than may wait on a connection: the others are reset."""
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(target.http2(window=0)) for _ in range(3)]
        for c in clients:
            c.send(*[c.request(2 * i + 1, "/openapi.json") for i in range(250)])
        for c in clients:
            for _ in range(250 - WAITING_BYTES // OPENAPI_BYTES - 1):
                assert struct.unpack(">I", c.until(RST_STREAM)[3])[0] == ENHANCE_YOUR_CALM
        target.bystander.served()


# ---- messages ------------------------------------------------------------------------------------------------------

GZIPPED = gzip.compress(b" " * (64 * LIMIT))
assert len(GZIPPED) < LIMIT


def ask(target, path, content_type, body, **headers):
    return wire.post(f"localhost:{target.port}", path, body, content_type=content_type,
                     headers={k.replace("_", "-"): v for k, v in headers.items()})


@quick
@API
@pytest.mark.parametrize("body,headers,code", [
    (b"\0\xff\xff\xff\xff{}", {}, "resource_exhausted"),
    (b"\0\0\0\0\5{}", {}, "invalid_argument"),
    (b"\0\0\0", {}, "invalid_argument"),
    (wire.frame(b"{}", 1), {}, "internal"),  # compressed, and nobody has said how
    (wire.frame(b"{}", 1), {"connect_content_encoding": "br"}, "unimplemented"),
    (wire.frame(b"{}", 1), {"connect_content_encoding": "gzip"}, "invalid_argument"),
    (wire.frame(GZIPPED, 1), {"connect_content_encoding": "gzip"}, "resource_exhausted"),
    (wire.frame(b"{}", 0x80), {}, "invalid_argument"),
    (wire.frame(b"", 0) * 2, {}, "unimplemented"),
], ids=["4 GiB", "short", "cut", "flag", "br", "no gzip", "bomb", "flags", "two"])
def test_envelopes_of_connect(target, body, headers, code):
    a = ask(target, wire.RUNS + "WatchRunDetails", "application/connect+json", body, **headers)
    assert wire.stream_error(a)[0] == code, a


# By the names of the codes of gRPC.
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 3, 8, 12, 13


@quick
@API
@pytest.mark.parametrize("method", ["WatchRunDetails", "GetRunDetails"])
@pytest.mark.parametrize("body,headers,code", [
    (b"\0\xff\xff\xff\xff{}", {}, RESOURCE_EXHAUSTED),
    (b"\0\0\0\0\5{}", {}, INVALID_ARGUMENT),
    (b"\0\0\0", {}, INVALID_ARGUMENT),
    (b"", {}, UNIMPLEMENTED),
    (wire.frame(b"{}", 1), {}, INTERNAL),
    (wire.frame(b"{}", 1), {"grpc_encoding": "br"}, UNIMPLEMENTED),
    (wire.frame(b"{}", 1), {"grpc_encoding": "gzip"}, INVALID_ARGUMENT),
    (wire.frame(GZIPPED, 1), {"grpc_encoding": "gzip"}, RESOURCE_EXHAUSTED),
    (wire.frame(b"{}", 0) * 2, {}, UNIMPLEMENTED),
], ids=["4 GiB", "short", "cut", "nothing", "flag", "br", "no gzip", "bomb", "two"])
def test_frames_of_grpc(target, method, body, headers, code):
    """As gRPC-Web, whose trailers are in the body; frames and their reader are gRPC's."""
    a = ask(target, wire.RUNS + method, "application/grpc-web+json", body, **headers)
    trailers = a.headers.as_string().encode() + b"".join(text for flags, text in wire.frames(a.body) if flags & 0x80)
    assert b"grpc-status: %d\r\n" % code in trailers.lower().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), (trailers, a)


@quick
@API
def test_gzip_bombs(target):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(target.connect()) for _ in range(50)]
        for s in sockets:
            s.sendall(target.post(b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n" % len(GZIPPED),
                                  GZIPPED))
        for s in sockets:
            assert b"resource_exhausted" in read_all(s)


# ---- slow ----------------------------------------------------------------------------------------------------------

def beginnings(target):
    """What slow clients send first."""
    return [b"G", b"GET / HTTP/1.1\r\nHost: h\r\n", target.post(b"Content-Length: 1000\r\n", b"{"),
            target.post(b"Transfer-Encoding: chunked\r\n", b"3e8\r\n{"), b"PRI * HTTP/2.0\r\n",
            PREFACE + settings() + frame(HEADERS, 0, 1, block())]


@quick
def test_slow_clients_hold_nobody_up(target):
    with contextlib.ExitStack() as held:
        for first in beginnings(target) * 50:
            held.enter_context(target.connect()).sendall(first)
        target.bystander.served()


def test_slow_clients_are_closed(target):
    """Though they send a byte now and then, of a head. A body has time while its bytes come; these have stopped."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(target.connect()) for _ in beginnings(target)]
        for s, first in zip(sockets, beginnings(target)):
            s.sendall(first)
            s.setblocking(False)
        left = set(sockets)

        def all_closed():
            for s in list(left):
                try:
                    if s in sockets[:2]:
                        s.send(b"x")
                    if not s.recv(1000):
                        left.discard(s)
                except BlockingIOError:
                    pass
                except OSError:
                    left.discard(s)
            return not left
        world.eventually("the end of slow clients", all_closed, 240)


# ---- descriptors ---------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def files_left(pid, n):
    """A process may open n files more than it has."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + n, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def asleep(pid):
    """Every thread waits for something. One that asks again and again never does, however slow the machine."""
    return all(world.stat_fields(f"{pid}/task/{thread}")[0] == "S" for thread in os.listdir(f"/proc/{pid}/task"))


@quick
@pytest.mark.parametrize("make_target", [api_target, s3_target], ids=["api", "s3"])
def test_no_descriptor_is_left(server, make_target):
    """Connections wait in the kernel, at no cost, and are answered later; those that are there are served."""
    target = make_target(server)
    target.good()
    kept = http.client.HTTPConnection("localhost", target.port, timeout=wire.TIMEOUT_S)

    def ask_again():
        kept.request("POST", target.path, b"{}", {"Content-Type": "application/json"})
        answer = kept.getresponse()
        answer.read()
        return answer.status

    expected, files = ask_again(), descriptors(target.pid)
    with contextlib.ExitStack() as held:
        with files_left(target.pid, 20):
            sockets = [held.enter_context(target.connect()) for _ in range(60)]
            world.eventually("no descriptor left", lambda: descriptors(target.pid) >= files + 20)
            world.eventually("rest", lambda: asleep(target.pid))
            assert ask_again() == expected
            for s in sockets[:50]:
                s.close()
            for s in sockets[50:]:
                s.sendall(target.post(b"Content-Length: 2\r\nConnection: close\r\n", b"{}"))
                assert read_all(s).startswith(b"HTTP/1.1 %d " % expected)
            target.good()
    world.eventually("the connections' end", lambda: descriptors(target.pid) <= files + 5)
