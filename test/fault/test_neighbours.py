"""Who may call: other accounts of the machine, other names of the host, other pages (D-30, D-31)."""
import json
import os
import subprocess
import sys

import pytest

import wire

ASK = """
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
c.request("POST", sys.argv[2], sys.argv[3], {"Content-Type": "application/json"})
r = c.getresponse()
print(r.status)
print(r.read().decode())
"""
CREATE = wire.PROJECTS + "CreateProject"
NOBODY = "65534"


@pytest.fixture(autouse=True)
def nothing_made(shared):
    yield
    assert wire.projects(shared.endpoint) == {"flytesnacks"}


def ask_as(uid, endpoint, path, message):
    """(status, body) of a call by another account."""
    # The virtual environment's folder may be closed to that account; the system's Python is not.
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    done = subprocess.run(["setpriv", f"--reuid={uid}", "--clear-groups", python, "-c", ASK,
                           str(wire.split(endpoint)[1]), path, json.dumps(message)],
                          capture_output=True, text=True, cwd="/", timeout=60)
    assert done.returncode == 0, done.stderr
    status, _, body = done.stdout.partition("\n")
    return int(status), body


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another account needs root")


@needs_root
@pytest.mark.parametrize("path,message", [
    (CREATE, {"project": {"id": "theirs", "name": "theirs"}}),
    (wire.PROJECTS + "ListProjects", {}),
    (wire.RUNS + "ListRuns", {"projectId": wire.PROJECT}),
    ("/grpc.health.v1.Health/Check", {}),
], ids=["create", "list-projects", "list-runs", "health"])
def test_another_account(shared, path, message):
    status, body = ask_as(NOBODY, shared.endpoint, path, message)
    assert status == 403, (status, body)
    assert "permission_denied" in body and "65534" in body and "loopback_users" in body


@needs_root
def test_another_account_gets_no_page_and_no_file(shared):
    for path in ("/v2/domain/development/project/flytesnacks/runs/r", "/metrics"):
        status, _ = ask_as(NOBODY, shared.endpoint, path, {})
        assert status == 403, path


@needs_root
def test_an_account_that_is_allowed(make_world):
    w = make_world(args=["--security.loopback_users", NOBODY])
    status, body = ask_as(NOBODY, w.endpoint, wire.PROJECTS + "ListProjects", {})
    assert status == 200, (status, body)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost:1",
                                  "169.254.169.254:{port}", "localhost.:{port}", "[::2]:{port}"])
def test_another_name_of_the_host(shared, host):
    """DNS rebinding: a page of evil.example whose name now means 127.0.0.1."""
    host = host.format(port=wire.split(shared.endpoint)[1])
    a = wire.call(shared.endpoint, CREATE, {"project": {"id": "theirs", "name": "x"}}, headers={"Host": host})
    assert a.status == 403 and a.code == "permission_denied", a


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", "http://localhost.evil.example",
                                    "file://", "https://localhost:{port}.evil.example"])
@pytest.mark.parametrize("content_type", ["application/json", "application/proto", "text/plain"])
def test_another_origin(shared, origin, content_type):
    """The S3 endpoint's origin, sandboxed pages (null), other sites."""
    origin = origin.format(port=wire.split(shared.endpoint)[1])
    a = wire.call(shared.endpoint, CREATE, {"project": {"id": "theirs", "name": "x"}}, headers={"Origin": origin},
                  content_type=content_type)
    assert a.status == 403, a
    assert "access-control-allow-origin" not in {k.lower() for k in a.headers}


def test_preflight_of_another_origin(shared):
    a = wire.post(shared.endpoint, CREATE, b"", method="OPTIONS",
                  headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in {k.lower() for k in a.headers}, a


def test_form_of_another_site(shared):
    """What a page can send without a preflight: a form, and a request without an Origin but with a form's type."""
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        a = wire.call(shared.endpoint, CREATE, {"project": {"id": "theirs", "name": "x"}}, content_type=content_type)
        assert a.status in (403, 415), a


def test_own_page(shared):
    a = wire.call(shared.endpoint, wire.PROJECTS + "ListProjects", {}, headers={"Origin": f"http://{shared.endpoint}"})
    assert a.status == 200, a
