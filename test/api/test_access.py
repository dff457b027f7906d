"""Where the server listens, by which names it may be called, over TLS or not, and who a caller is (D-30, D-36)."""
import contextlib
import http.client
import http.server
import os
import pwd
import ssl
import subprocess
import sys
import threading

import pyqwest
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from flyteidl2.auth import identity_pb2
from flyteidl2.auth.identity_connect import IdentityServiceClientSync
from flyteidl2.common import identifier_pb2
from flyteidl2.workflow import run_service_pb2
from flyteidl2.workflow.run_service_connect import RunServiceClientSync

import wire
from harness import SDK_EXITS

IDENTITY = "/flyteidl2.auth.IdentityService/UserInfo"


@pytest.mark.parametrize("args, says", [
    (["--listen", "0.0.0.0:0"], "--allow-remote"),
    (["--listen", "[::]:0"], "--allow-remote"),
    (["--s3-listen", "0.0.0.0:0"], "--allow-remote"),
    (["--listen", "0.0.0.0:0", "--allow-remote"], "--security.hosts"),
    (["--listen", "localhost:0", "--server.tls.cert", "/dev/null"], "server.tls: both cert and key are needed"),
    (["--listen", "localhost:0", "--auth.executors", "nosuchaccount"], "auth.executors: there is no account"),
    (["--listen", "localhost:0", "--auth.trusted_proxies", "nosuchaccount"], "auth.trusted_proxies: there is no account"),
    (["--listen", "localhost:0", "--auth.trusted_proxies", "127.0.0.1"], "name the proxy's account"),
    (["--listen", "localhost:0", "--auth.trusted_proxies", "10.0.0.1,::1/128"], "name the proxy's account"),
    (["--listen", "localhost:0", "--auth.trusted_proxies", "10.0.0.1/8"], "auth.trusted_proxies: there is no account"),
    (["--listen", "localhost:0", "--auth.proxy_user_header", "X-User:"], "auth.proxy_user_header"),
])
def test_what_would_be_open_or_broken_is_refused(make_tern, args, says):
    t = make_tern()
    done = subprocess.run([t.binary, "serve", "--data", t.data, *args], env=t.env(), capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0 and says in done.stderr, done.stderr


def test_danger_is_said_in_the_log(make_tern):
    t = make_tern(args=["--allow-remote", "--security.hosts", "*"]).start()
    assert "WARN" in t.tail() and "whoever reaches the port can run code" in t.tail()
    assert "DNS rebinding" in t.tail()


def test_names_of_the_server(make_tern):
    t = make_tern(args=["--security.hosts", "tern.example.org,other.example.org:8443"]).start()
    for host, status in [("tern.example.org", 200), ("TERN.example.org:1", 200), ("other.example.org:8443", 200),
                         ("other.example.org", 403), ("evil.example.org", 403), (t.endpoint, 200)]:
        a = wire.call(t.endpoint, wire.PROJECTS + "ListProjects", {}, headers={"Host": host})
        assert a.status == status, (host, a)
    a = wire.call(t.endpoint, wire.PROJECTS + "ListProjects", {},
                  headers={"Host": "tern.example.org", "Origin": "http://tern.example.org"})
    assert a.status == 200, a


def start_tls(make_tern, folder):
    """A server and the file of its certificate."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return make_tern(args=["--server.tls.cert", cert, "--server.tls.key", key]).start(), cert


def test_tls(make_tern, tmp_path):
    t, cert = start_tls(make_tern, tmp_path)
    host, port = wire.split(t.endpoint)
    c = http.client.HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=str(cert)), timeout=20)
    for origin, status in [(f"https://localhost:{port}", 200), (f"https://localhost:{port + 1}", 403)]:
        c.request("POST", wire.PROJECTS + "ListProjects", b"{}", {"Content-Type": "application/json", "Origin": origin})
        r = c.getresponse()
        r.read()
        assert r.status == status, origin
    c.request("GET", "/")
    r = c.getresponse()
    assert r.status == 200 and b"Recent runs" in r.read()
    c.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        wire.call(t.endpoint, wire.PROJECTS + "ListProjects", {})
    t.terminate()  # all that it said is in the log now
    assert f"https://{t.endpoint}" in t.tail()


def test_caller_is_the_account_whatever_the_headers_say(tern):
    """No header makes a caller somebody else: nothing in front of the server is trusted."""
    plain = wire.call(tern.endpoint, IDENTITY, {})
    assert plain.json["subject"] == f"uid:{os.getuid()}"
    assert plain.json["name"] == plain.json["preferredUsername"] == pwd.getpwuid(os.getuid()).pw_name
    forged = {"X-User-Subject": "admin", "X-User-Claims": "e30", "X-Forwarded-User": "admin", "X-Forwarded-Email": "a@b",
              "X-Remote-User": "admin", "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1",
              "X-Forwarded-Preferred-Username": "admin", "Authorization": "Basic YWRtaW46eA==",
              "Flyte-Authorization": "Bearer e30.e30.x", "Cookie": "flyte_idt=x"}
    for name, value in forged.items():
        a = wire.call(tern.endpoint, IDENTITY, {}, headers={name: value})
        assert a.json == plain.json, name


def executed_by(endpoint, name, headers):
    """Who made a run that was created with these headers."""
    a = wire.call(endpoint, wire.RUNS + "CreateRun", wire.sleeper(name), headers=headers)
    assert a.status == 200, a
    details = wire.call(endpoint, wire.RUNS + "GetRunDetails", {"runId": wire.run_id(name)}).json["details"]
    wire.abort(endpoint, name, "a0")
    return details["action"]["metadata"]["executedBy"]["user"]["id"]["subject"]


def test_who_made_a_run_is_the_account(tern):
    assert executed_by(tern.endpoint, "mine", {"X-User-Subject": "admin", "X-Forwarded-User": "admin"}) == \
        f"uid:{os.getuid()}"


BEARER = {"Authorization": "Bearer e30.e30.x"}

# ---- behind a proxy that is trusted -------------------------------------------------------------------------------

ALICE = {"X-Forwarded-User": "alice@idp", "X-Forwarded-Email": "alice@example.org",
         "X-Forwarded-Preferred-Username": "Älice"}
ALICE_SENT = {**ALICE, "X-Forwarded-Preferred-Username": "Älice".encode()}
NOBODY = "65534"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another account needs root")


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A server that takes this account for a proxy's."""
    from harness import Tern
    t = Tern(tmp_path_factory.mktemp("behind") / "t", args=["--auth.trusted_proxies", f"{os.getuid()},192.0.2.0/24"])
    t.start()
    yield t
    t.finish()


def subject(answer):
    assert answer.status == 200, answer
    return answer.json["subject"]


def as_nobody(endpoint, *options):
    """The subject that curl of another account is told."""
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", "--clear-groups", "curl", "-sS", "--json", "{}", *options,
                           f"http://{endpoint}{IDENTITY}"], capture_output=True, text=True, cwd="/", timeout=60)
    assert done.returncode == 0, done.stderr
    return wire.json.loads(done.stdout)["subject"]


def test_a_trusted_proxy_says_who_calls(behind):
    a = wire.call(behind.endpoint, IDENTITY, {}, headers=ALICE_SENT)
    assert a.json == {"subject": "alice@idp", "name": "Älice", "preferredUsername": "Älice",
                      "email": "alice@example.org"}
    a = wire.call(behind.endpoint, IDENTITY, {}, headers={"X-Forwarded-User": "b"})
    assert a.json == {"subject": "b"}, "nothing of who came before on the port"
    assert executed_by(behind.endpoint, "hers", ALICE_SENT) == "alice@idp"
    assert executed_by(behind.endpoint, "none", {}) == f"uid:{os.getuid()}"
    assert "they can call as anybody" in behind.tail(), "tasks run under this account too"


def test_a_trusted_proxy_that_names_nobody_is_itself(behind):
    for headers in ({}, {"X-Forwarded-Email": "alice@example.org"}, {"X-Forwarded-Preferred-Username": "alice"}):
        assert subject(wire.call(behind.endpoint, IDENTITY, {}, headers=headers)) == f"uid:{os.getuid()}"


@pytest.mark.parametrize("value", [b"", b" ", b"x" * 257, b"\xff", b"\xc3", b"a\xc2\x85b", b"a\tb", b"uid:0"])
def test_what_can_be_no_name_is_refused(behind, value):
    a = wire.call(behind.endpoint, IDENTITY, {}, headers={"X-Forwarded-User": value})
    assert a.status == 401 and a.code == "unauthenticated" and a.message.startswith("x-forwarded-user: "), a


@pytest.mark.parametrize("header", ["X-Forwarded-Email", "X-Forwarded-Preferred-Username"])
def test_what_can_be_no_name_is_refused_of_the_other_headers(behind, header):
    a = wire.call(behind.endpoint, IDENTITY, {}, headers={"X-Forwarded-User": "a", header: b"\xff"})
    assert a.code == "unauthenticated" and a.message.startswith(header.lower()), a


def test_names_at_the_bound(behind):
    assert subject(wire.call(behind.endpoint, IDENTITY, {}, headers={"X-Forwarded-User": "x" * 256})) == "x" * 256


@pytest.mark.parametrize("header", ALICE)
def test_a_repeated_header_is_refused(behind, header):
    """A client's own value that a proxy has let through, beside the proxy's."""
    c = http.client.HTTPConnection(*wire.split(behind.endpoint), timeout=wire.TIMEOUT_S)
    with contextlib.closing(c):
        c.putrequest("POST", IDENTITY)
        for name, value in [("Content-Type", "application/json"), ("Content-Length", "2"), *ALICE_SENT.items(),
                            (header.lower(), "admin")]:
            c.putheader(name, value)
        c.endheaders(b"{}")
        a = c.getresponse()
        assert a.status == 401 and "more than once" in a.read().decode()


def test_headers_by_other_names(make_tern):
    t = make_tern(args=["--auth.trusted_proxies", str(os.getuid()), "--auth.proxy_user_header", "Remote-User",
                        "--auth.proxy_email_header", ""]).start()
    a = wire.call(t.endpoint, IDENTITY, {}, headers={**ALICE_SENT, "Remote-User": "bob"})
    assert a.json == {"subject": "bob", "name": "Älice", "preferredUsername": "Älice"}
    assert subject(wire.call(t.endpoint, IDENTITY, {}, headers=ALICE_SENT)) == f"uid:{os.getuid()}"


@needs_root
def test_only_the_account_of_the_proxy_is_trusted(make_tern):
    t = make_tern(args=["--auth.trusted_proxies", "nobody"]).start()
    forged = ["-HX-Forwarded-User: alice@idp", "-HAuthorization: Bearer x"]
    assert as_nobody(t.endpoint) == f"uid:{NOBODY}"
    assert as_nobody(t.endpoint, *forged) == "alice@idp"
    assert subject(wire.call(t.endpoint, IDENTITY, {}, headers=ALICE_SENT)) == f"uid:{os.getuid()}"


class Proxy(http.server.BaseHTTPRequestHandler):
    """What oauth2-proxy does once somebody has signed in."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        dropped = ("host", "content-length", "content-type", "connection", *(name.lower() for name in ALICE))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        body = self.rfile.read(int(self.headers["Content-Length"]))
        a = wire.post(self.server.upstream, self.path, body, self.headers["Content-Type"],
                      {**kept, **ALICE_SENT, **BEARER})
        self.send_response(a.status)
        self.send_header("Content-Type", a.headers["Content-Type"])
        self.send_header("Content-Length", str(len(a.body)))
        self.end_headers()
        self.wfile.write(a.body)

    def log_message(self, *_):
        pass


def test_whoami_through_a_proxy(behind):
    """The real client, which knows nothing of it, and a proxy that passes its own token on."""
    with http.server.ThreadingHTTPServer(("localhost", 0), Proxy) as proxy:
        proxy.upstream = behind.endpoint
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            said = behind.cli("--endpoint", f"localhost:{proxy.server_port}", "--insecure", "whoami").stdout
        finally:
            proxy.shutdown()
            thread.join()
    assert "alice@idp" in said and "alice@example.org" in said, said
    assert f"uid:{os.getuid()}" in behind.cli("whoami").stdout


# ---- bearer tokens ------------------------------------------------------------------------------------------------



@pytest.mark.parametrize("path", [IDENTITY, wire.PROJECTS + "ListProjects", "/grpc.health.v1.Health/Check"])
@pytest.mark.parametrize("value", ["Bearer e30.e30.x", "bearer x", "BEARER  x", "Bearer"])
def test_a_token_is_refused(tern, path, value):
    a = wire.call(tern.endpoint, path, {}, headers={"Authorization": value})
    assert a.status == 401 and a.code == "unauthenticated", a
    assert "no authorization server is configured" in a.message and "remove the auth settings" in a.message


def whoami(client, headers):
    return client[0].user_info(identity_pb2.UserInfoRequest(), headers=headers).subject


def watch(client, headers):
    request = run_service_pb2.WatchRunsRequest(project_id=identifier_pb2.ProjectIdentifier(**wire.PROJECT))
    return next(client[1].watch_runs(request, headers=headers))


@pytest.mark.parametrize("call", [whoami, watch])
@pytest.mark.parametrize("protocol", ProtocolType)
def test_a_token_is_refused_in_every_protocol(tern, protocol, call):
    transport = pyqwest.SyncHTTPTransport(http_version=pyqwest.HTTPVersion.HTTP2 if protocol is ProtocolType.GRPC else None)
    options = {"protocol": protocol, "http_client": pyqwest.SyncClient(transport), "timeout_ms": 20000}
    client = [c(f"http://{tern.endpoint}", **options) for c in (IdentityServiceClientSync, RunServiceClientSync)]
    assert call(client, {})
    with pytest.raises(ConnectError) as refused:
        call(client, BEARER)
    assert refused.value.code == Code.UNAUTHENTICATED and "no authorization server" in refused.value.message


def test_a_token_is_refused_in_reflection(tern):
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    a = wire.post(tern.endpoint, path, wire.frame(b'{"listServices": ""}'), "application/connect+json", headers=BEARER)
    assert a.status == 200 and wire.stream_error(a)[0] == "unauthenticated"


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics"])
def test_a_token_is_refused_on_pages(tern, path):
    a = wire.post(tern.endpoint, path, None, headers=BEARER, method="GET")
    assert a.status == 401 and b"no authorization server" in a.body
    assert wire.post(tern.endpoint, path, None, method="GET").status == 200


def test_a_browser_may_read_why_its_token_is_refused(make_tern):
    origin = "https://console.example.org"
    t = make_tern(args=["--security.allowed_origins", origin]).start()
    asked = wire.post(t.endpoint, IDENTITY, None, method="OPTIONS", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"})
    assert asked.status == 204
    a = wire.call(t.endpoint, IDENTITY, {}, headers={"Origin": origin, **BEARER})
    assert a.code == "unauthenticated" and a.headers["Access-Control-Allow-Origin"] == origin


def test_a_token_that_a_trusted_proxy_passes_on(behind):
    a = wire.call(behind.endpoint, IDENTITY, {}, headers={**ALICE_SENT, **BEARER})
    assert subject(a) == "alice@idp"
    assert wire.post(behind.endpoint, "/", None, headers=BEARER, method="GET").status == 200


SIGNED_IN = """
import sys, flyte, flyte.remote
flyte.init(endpoint=sys.argv[1], ca_cert_file_path=sys.argv[2], auth_type="Passthrough", project="flytesnacks",
           domain="development")
with flyte.remote.auth_metadata(*[tuple(header.split("=")) for header in sys.argv[3:]]):
    print(flyte.remote.User.get().subject())
"""


def test_the_sdk_says_why_its_token_is_refused(make_tern, tmp_path):
    """It sends tokens over TLS only."""
    t, cert = start_tls(make_tern, tmp_path)

    def user(*headers):
        return subprocess.run([sys.executable, "-c", SIGNED_IN, t.endpoint, cert, *headers], env=t.env(), timeout=60,
                              capture_output=True, text=True)

    done = user("authorization=Bearer x")
    assert done.returncode != 0 and "remove the auth settings" in done.stdout + done.stderr, done
    done = user("x-forwarded-user=admin")
    assert done.returncode in SDK_EXITS and done.stdout.strip() == f"uid:{os.getuid()}", done
