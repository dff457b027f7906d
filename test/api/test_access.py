"""Where the server listens, by which names it may be called, over TLS or not, and who a caller is (D-30, D-36)."""
import http.client
import os
import pwd
import ssl
import subprocess

import pytest

import wire

IDENTITY = "/flyteidl2.auth.IdentityService/UserInfo"


@pytest.mark.parametrize("args, says", [
    (["--listen", "0.0.0.0:0"], "--allow-remote"),
    (["--listen", "[::]:0"], "--allow-remote"),
    (["--s3-listen", "0.0.0.0:0"], "--allow-remote"),
    (["--listen", "0.0.0.0:0", "--allow-remote"], "--security.hosts"),
    (["--listen", "localhost:0", "--server.tls.cert", "/dev/null"], "server.tls: both cert and key are needed"),
    (["--listen", "localhost:0", "--auth.executors", "nosuchaccount"], "auth.executors: there is no account"),
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


def test_tls(make_tern, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    t = make_tern(args=["--server.tls.cert", cert, "--server.tls.key", key]).start()
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
              "Authorization": "Bearer e30.e30.x", "Flyte-Authorization": "Bearer e30.e30.x", "Cookie": "flyte_idt=x"}
    for name, value in forged.items():
        a = wire.call(tern.endpoint, IDENTITY, {}, headers={name: value})
        assert a.json == plain.json, name


def test_who_made_a_run_is_the_account(tern):
    message = wire.sleeper("mine")
    assert wire.post(tern.endpoint, wire.RUNS + "CreateRun", wire.json.dumps(message).encode(),
                     headers={"X-User-Subject": "admin"}).status == 200
    details = wire.call(tern.endpoint, wire.RUNS + "GetRunDetails", {"runId": wire.run_id("mine")}).json["details"]
    wire.abort(tern.endpoint, "mine", "a0")
    assert f"uid:{os.getuid()}" in str(details["action"]["metadata"]["executedBy"])


def test_log_lines_cannot_be_forged(make_tern):
    """What a client sends is on one line of the log, without control bytes, in both formats."""
    for form in ("text", "json"):
        t = make_tern(args=["--log.level", "debug", "--log.format", form]).start()
        a = wire.call(t.endpoint, wire.RUNS + "GetRunDetails",
                      {"runId": wire.run_id("x\n2026-01-01 ERROR forged \x1b[31m\u009b\r")})
        assert a.status != 200
        a = wire.call(t.endpoint, "/flyteidl2.secret.SecretService/GetSecret",
                      {"id": {"name": "evil\nforged \x1b[31m", "organization": ""}})
        assert a.status != 200
        t.terminate()
        text = t.log.read_bytes()
        assert b"forged" not in text or b"\\x1b" in text or b"\\u001b" in text
        assert b"\x1b" not in text and b"\r" not in text and b"\xc2\x9b" not in text
        assert not any(line.startswith((b"2026-01-01", b"forged")) for line in text.splitlines())
        if form == "json":
            assert all(wire.json.loads(line)["level"] for line in text.splitlines() if line.startswith(b"{"))
