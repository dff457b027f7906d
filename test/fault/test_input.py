"""Nonsense for every RPC that answers: the precise code, a message that names the field, state unchanged, no crash."""
import os
import subprocess

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

import harness
import wire
import world

LIMIT = 64 * 1024
# A client's mistake never looks like one of these.
SERVER_FAULTS = {"internal", "unknown", "data_loss", "unavailable", "aborted", "no end"}


def pool():
    files = descriptor_pb2.FileDescriptorSet.FromString((harness.BINARY.parent / "gen" / "idl.binpb").read_bytes())
    known, made = {f.name: f for f in files.file}, descriptor_pool.DescriptorPool()
    done = set()

    def add(name):
        if name not in done:
            done.add(name)
            for needed in known[name].dependency:
                add(needed)
            made.Add(known[name])

    for name in known:
        add(name)
    return made


POOL = pool()


def methods():
    """(service, method, kind) of `tern rpcs` that answer."""
    text = subprocess.run([str(harness.BINARY), "rpcs"], capture_output=True, text=True, check=True).stdout
    service = None
    for line in text.splitlines():
        if line and not line.startswith(" ") and "RPCs:" not in line:
            service = line.strip()
        elif line.startswith("  ") and line.endswith(" yes"):
            name, *kind, _ = line.split()
            yield service, name, " ".join(kind)


METHODS = list(methods())
EACH = pytest.mark.parametrize("service,name,kind", METHODS, ids=[f"{s.rsplit('.', 1)[-1]}-{n}" for s, n, _ in METHODS])


def request_type(service, name):
    return POOL.FindServiceByName(service).FindMethodByName(name).input_type


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    w = world.World(tmp_path_factory.mktemp("input") / "w", args=["--limits.message_bytes", str(LIMIT)])
    w.start()
    assert wire.create_run(w.endpoint, wire.sleeper("asleep")).status == 200
    world.eventually("sleep", lambda: wire.phase(w.endpoint, "asleep") == "ACTION_PHASE_RUNNING")
    yield w
    w.finish()


def state(endpoint):
    runs = wire.call(endpoint, wire.RUNS + "ListRuns", {"request": {"limit": 100}, "projectId": wire.PROJECT})
    assert runs.status == 200, runs
    return wire.projects(endpoint), [(r["action"]["id"]["run"]["name"], r["action"]["status"]["phase"])
                                     for r in runs.json.get("runs", [])]


@pytest.fixture(autouse=True)
def unchanged(server):
    before = state(server.endpoint)
    yield
    assert server.process.poll() is None, server.tail()
    assert state(server.endpoint) == before


def ask(server, service, name, kind, payload, codec="proto"):
    """(code, message) of the answer; (None, "") when it was none of an error."""
    path = f"/{service}/{name}"
    headers = {"Connect-Protocol-Version": "1", "Connect-Timeout-Ms": "1500"}
    if kind == "unary":
        a = wire.post(server.endpoint, path, payload, content_type=f"application/{codec}", headers=headers)
        return a.code, a.message
    a = wire.post(server.endpoint, path, wire.frame(payload), content_type=f"application/connect+{codec}",
                  headers=headers)
    assert a.status == 200, a
    return wire.stream_error(a)


@EACH
def test_garbage(server, service, name, kind):
    for payload in (b"\xff\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b\x0b\x0b", os.urandom(64) + b"\x00\x07"):
        code, message = ask(server, service, name, kind, payload)
        assert code == "invalid_argument" and message, (code, message, payload)
    for payload in (b"{", b"[]", b"\x00", b'{"a":' * 5000):
        code, message = ask(server, service, name, kind, payload, codec="json")
        assert code == "invalid_argument" and message, (code, message, payload[:20])


@EACH
def test_nothing_in_it(server, service, name, kind):
    code, message = ask(server, service, name, kind, b"")
    assert code not in SERVER_FAULTS, (code, message)
    assert code is None or message


@EACH
def test_too_large(server, service, name, kind):
    payload = b"\xfa\xff\x07" + bytes([0x81, 0x80, 0x04]) + b"x" * (LIMIT + 1)  # a field that nobody knows
    code, message = ask(server, service, name, kind, payload)
    assert code == "resource_exhausted" and message, (code, message)


def bad_string(type_, depth=0):
    """(path, bytes) of a message whose only content is a string that is not UTF-8, as shallow as possible."""
    for f in type_.fields:
        if f.type == f.TYPE_STRING:
            return f.name, wire.field(f.number, b"a\xc3\x28")
    for f in type_.fields:
        if f.type == f.TYPE_MESSAGE and depth < 4:
            inner = bad_string(f.message_type, depth + 1)
            if inner:
                return inner[0], wire.field(f.number, inner[1])
    return None


@EACH
def test_text_that_is_not_utf8(server, service, name, kind):
    found = bad_string(request_type(service, name))
    if not found:
        assert not any(f.type == f.TYPE_STRING for f in request_type(service, name).fields)
        return
    code, message = ask(server, service, name, kind, found[1])
    assert code == "invalid_argument", (code, message)
    assert found[0] in message, f"the message does not name {found[0]}: {message}"


# ---- names ----------------------------------------------------------------------------------------------------------

TRICKS = ["..", "../../etc/passwd", "a/b", "a\\b", "a\0b", "%2e%2e", "a\nb", " ", "x" * 300, "‮evil", "CON:", "a?b", "a#b"]


def named(trick):
    """(RPC, message, the field that the answer must name): messages that are right but for one name."""
    run, good = wire.run_id("asleep"), wire.sleeper("x")
    upload = {"project": "flytesnacks", "domain": "development", "filename": "f", "contentMd5": "A" * 22 + "=="}
    proxy = "/flyteidl2.dataproxy.DataProxyService/"
    secret = {"secretSpec": {"stringValue": "v"}}
    return [
        (wire.RUNS + "CreateRun", {**good, "runId": {**run, "name": trick}}, "name"),
        (wire.RUNS + "CreateRun", {**good, "runId": {**run, "project": trick, "name": "ok"}}, "project"),
        (wire.RUNS + "CreateRun", {**good, "runId": {**run, "domain": trick, "name": "ok"}}, "domain"),
        (wire.PROJECTS + "CreateProject", {"project": {"id": trick, "name": "n"}}, "id"),
        (proxy + "CreateUploadLocation", {**upload, "project": trick}, "project"),
        (proxy + "CreateUploadLocation", {**upload, "domain": trick}, "domain"),
        ("/flyteidl2.secret.SecretService/CreateSecret", {**secret, "id": {"name": trick}}, "name"),
    ]


@pytest.mark.parametrize("trick", TRICKS, ids=ascii)
def test_names_with_tricks(server, trick):
    for path, message, field in named(trick):
        a = wire.call(server.endpoint, path, message)
        assert a.code in ("invalid_argument", "not_found"), (path, field, a)
        assert field in a.message, (path, field, a)


@pytest.mark.parametrize("uri", ["/etc/passwd", "file:///etc/passwd", "s3://tern/../x", "s3://tern/a/%2e%2e/b",
                                 "s3://other/x", "http://127.0.0.1/x", "s3://tern/a//../b", "s3://tern/"])
def test_uris_with_tricks(server, uri):
    """D-12: what a client names must be Tern's own object store."""
    message = {**wire.sleeper("uri"), "offloadedInputData": {"uri": uri, "inputsHash": "h"}}
    del message["inputs"]
    a = wire.create_run(server.endpoint, message)
    assert a.code == "invalid_argument" and "uri" in a.message, a


def test_duplicate_names(server):
    assert wire.create_project(server.endpoint, "flytesnacks").code == "already_exists"
    again = wire.create_run(server.endpoint, wire.sleeper("asleep", 10))
    assert again.code == "already_exists" and "asleep" in again.message, again
