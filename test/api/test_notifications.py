"""Notifications, from the real SDK to a real HTTP receiver that fails, stalls and redirects, and to a real SMTP server."""
import json
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import flyte
import flyte.errors
import notifying
import pytest
import wire
from conftest import PROGRAMS
from flyte import notify
from flyte.models import ActionPhase
from flyte.remote import Run
from receivers import http_receiver, smtp_receiver
from waiting import wait_until

FAILED, SUCCEEDED, ABORTED, TIMED_OUT = ActionPhase.FAILED, ActionPhase.SUCCEEDED, ActionPhase.ABORTED, ActionPhase.TIMED_OUT
REFUSED = 400  # FAILED_PRECONDITION, as Connect says it
QUICK = ["--notify.retry_base", "20ms", "--notify.retry_max", "100ms", "--notify.attempts", "4", "--notify.timeout", "20s"]
LOCAL = ["--notify.allow_networks", "127.0.0.0/8"]


@pytest.fixture(scope="module")
def receiver():
    with http_receiver() as r:
        yield r


@pytest.fixture(scope="module")
def inbox():
    with smtp_receiver() as i:
        yield i


@pytest.fixture(autouse=True)
def the_shared_server_again(tern):
    yield
    tern.connect(PROGRAMS)


@pytest.fixture
def start(make_tern):
    def go(*args, env=None):
        server = make_tern(args=[*QUICK, *args], env=env).start()
        server.connect(PROGRAMS)
        return server

    return go


def run(task, *notifications, **inputs):
    r = flyte.with_runcontext(notifications=notifications[0] if len(notifications) == 1 else notifications).run(
        task, **inputs)
    r.wait(quiet=True)
    return r


def rows(server, *options):
    return [json.loads(line) for line in server.command("notifications", "--json", *options).stdout.splitlines()]


def dead(server, n=1):
    return wait_until(lambda: len(found := rows(server, "--dead")) == n and found, f"{n} dead")


def error_of(r):
    return r.details().action_details.pb2.error_info.message


def test_shapes_of_the_sdk_arrive_with_their_values_escaped(start, receiver, inbox):
    start(*LOCAL, "--notify.smtp.url", f"smtp://127.0.0.1:{inbox.port}", "--notify.smtp.from", "tern@example.org",
          "--notify.smtp.starttls=false")
    r = run(notifying.bad,
            notify.Slack(on_phase=FAILED, webhook_url=f"{receiver.url}/slack", message="\u2757 {{.Run.Name}}: {{ .Error }}"),
            notify.Teams(on_phase=(FAILED, ABORTED), webhook_url=f"{receiver.url}/teams"),
            notify.Webhook(on_phase=FAILED, url=f"{receiver.url}/hook/{{{{.Run.Project}}}}?e={{{{.Error}}}}", method="PUT",
                           headers={"X-A-Name-That-Is-Longer-Than-20": "{{.Phase}} {{.Error}}", "User-Agent": "mine"},
                           body={"a": ["{{.Run.Domain}}", {"b": "{{.Error}}"}], "n": 1}),
            notify.Webhook(on_phase=SUCCEEDED, url=f"{receiver.url}/not-this-one"),
            notify.Email(on_phase=FAILED, recipients=("a@example.org", "b@example.org"), cc=("c@example.org",),
                         bcc=("d@example.org",), subject="{{.Run.Name}} {{.Phase}} \u00e4 {{.Error}}", body="said: {{.Error}}",
                         html_body="<p>{{.Error}}</p>"),
            notify.Email(on_phase=FAILED, recipients=("plain@example.org",)))
    error = error_of(r)
    assert notifying.NASTY in error
    got = {g.path.split("/")[1].split("?")[0]: g for g in (receiver.next() for _ in range(3))}
    assert json.loads(got["slack"].body) == {"text": f"\u2757 {r.name}: {error}"}
    assert got["slack"].method == "POST" and got["slack"].headers["content-type"] == "application/json"
    teams = json.loads(got["teams"].body)
    assert teams["title"] == f"Run {r.name} FAILED" and f"Error: {error}\n" in teams["text"]
    hook = got["hook"]
    assert hook.method == "PUT" and hook.headers["user-agent"] == "mine"
    assert json.loads(hook.body) == {"a": ["development", {"b": error}], "n": 1}
    assert hook.path.startswith("/hook/flytesnacks?e=")
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(hook.path).query) == {"e": [error]}
    assert hook.headers["x-a-name-that-is-longer-than-20"].encode("latin-1").decode().startswith("FAILED ")
    assert len({g.headers["idempotency-key"] for g in got.values()}) == 3
    mails = {m.recipients[0]: m for m in (inbox.next(), inbox.next())}
    mail = mails["a@example.org"]
    assert mail.sender == "tern@example.org" and mail.recipients == [f"{x}@example.org" for x in "abcd"]
    assert mail.message["subject"] == f"{r.name} FAILED \u00e4 " + error.replace("\n", " ")
    assert mail.message["to"] == "a@example.org, b@example.org" and mail.message["cc"] == "c@example.org"
    assert mail.message["bcc"] is None and mail.message["message-id"] and mail.message["date"]
    assert mail.message.get_body(("plain",)).get_content().rstrip("\n") == f"said: {error}".rstrip("\n")
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in mail.message.get_body(("html",)).get_content()
    only = mails["plain@example.org"].message
    assert only.get_body(("html",)) is None and f"Run: {r.name}" in only.get_body(("plain",)).get_content()


def test_every_method_and_a_run_that_succeeds(start, receiver):
    server = start(*LOCAL)
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"]
    r = run(notifying.good, *[notify.Webhook(on_phase=(SUCCEEDED, FAILED), method=m, url=f"{receiver.url}/m") for m in methods])
    got = {g.method: g for g in (receiver.next() for _ in methods)}
    assert sorted(got) == sorted(methods)
    for method, g in got.items():
        body = {"run": r.name, "project": "flytesnacks", "domain": "development", "phase": "SUCCEEDED", "error": ""}
        assert json.loads(g.body or "null") == (None if method == "HEAD" else body)
    wait_until(lambda: rows(server) == [], "all were delivered")


def test_failures_are_tried_again_with_the_same_id_and_given_up_in_sight(start, receiver):
    server = start(*LOCAL, "--notify.timeout", "4s")
    stall = threading.Event()
    receiver.answers.update({"/flaky": [503, 429, 408], "/stalls": [stall], "/never": [500] * 100, "/wrong": [404, 404]})
    r = run(notifying.good, *[notify.Webhook(on_phase=SUCCEEDED, url=receiver.url + path)
                              for path in ("/flaky", "/stalls", "/never", "/wrong")],
            notify.Webhook(on_phase=SUCCEEDED, url=receiver.url + "/x", headers={"Host": "other.example.org"}),
            notify.Webhook(on_phase=SUCCEEDED, url=receiver.url + "/x", body={"a": "{{.Run.Secret}}"}),
            notify.Email(on_phase=SUCCEEDED, recipients=("a@example.org",)))
    found = dead(server, 5)
    wait_until(lambda: len(rows(server)) == 5, "the others were delivered")
    stall.set()
    errors = sorted(f["error"] for f in found)
    assert [e.split(" ", 1)[1] if e.startswith("127.0.0.1") else e for e in errors] == [
        "answers 404", "answers 500", "mails cannot be sent: the setting notify.smtp.url is empty",
        "the header Host cannot be set", "the template has {{.Run.Secret}}, which is no place that is known"]
    assert {f["attempts"] for f in found} == {1, 4} and all(f["run"] == r.name for f in found)
    got = []
    while not receiver.got.empty():
        got.append(receiver.next())
    ids = {p: [g.headers["idempotency-key"] for g in got if g.path == p] for p in ("/flaky", "/stalls", "/never", "/wrong", "/x")}
    assert [len(v) for v in ids.values()] == [4, 2, 4, 1, 0] and all(len(set(v)) < 2 for v in ids.values())
    run_id = {"project": "flytesnacks", "domain": "development", "name": r.name}
    with wire.Watch(server.endpoint, wire.RUNS + "WatchClusterEvents",
                    {"id": {"run": run_id, "name": "a0"}, "attempt": 1}) as events:
        told = []
        while len(told) < 5:
            told += [e["message"] for e in events.next()["clusterEvents"] if e.get("reason") == "NotificationFailed"]
    assert sorted(told) == errors
    assert "a notification was given up" in server.log.read_text()
    metrics = urllib.request.urlopen(f"http://{server.endpoint}/metrics").read().decode()
    assert "tern_notifications_dead_total 5\n" in metrics and "tern_notifications_delivered_total 2\n" in metrics
    # Mended, it can be sent again.
    receiver.answers["/never"].clear()
    never = next(f["id"] for f in found if f["error"].endswith("answers 500"))
    assert server.command("notifications", "--retry", never).stdout == "1 to be sent again\n"
    assert receiver.next().headers["idempotency-key"] == ids["/never"][0]
    assert server.command("notifications", "--retry", 99999, check=False).returncode == 1
    dead(server, 4)


def test_addresses_inside_are_refused_also_behind_a_redirect(start, receiver):
    server = start()
    port = receiver.server_port
    inside = [f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://[::ffff:127.0.0.1]:{port}/",
              f"http://2130706433:{port}/", f"http://0.0.0.0:{port}/", "http://10.0.0.1/", "http://169.254.169.254/latest",
              "http://[fd00::1]/", "http://100.64.0.1/"]
    run(notifying.good, *[notify.Webhook(on_phase=SUCCEEDED, url=u) for u in inside])
    assert all("no public address" in d["error"] or "unreachable" in d["error"].lower() for d in dead(server, len(inside)))
    server = start("--notify.allow_networks", "127.0.0.1/32")
    receiver.answers["/away"] = [(302, {"location": f"http://127.0.0.2:{port}/secret"})]
    receiver.answers["/kept"] = [(307, {"location": f"{receiver.url}/secret"})]
    run(notifying.good, *[notify.Webhook(on_phase=SUCCEEDED, url=receiver.url + p) for p in ("/away", "/kept")])
    assert all("redirects are not followed" in d["error"] for d in dead(server, 2))
    assert sorted([receiver.next().path, receiver.next().path]) == ["/away", "/kept"] and receiver.got.empty()


def test_a_kill_loses_nothing_and_repeats_only_what_was_under_way(start, receiver):
    server = start(*LOCAL, "--notify.timeout", "60s")
    stalls = [threading.Event() for _ in range(2)]
    receiver.answers.update({"/first": [stalls[0]], "/second": [stalls[1]]})
    r = run(notifying.good, *[notify.Webhook(on_phase=SUCCEEDED, url=receiver.url + p) for p in ("/first", "/second", "/third")])
    before = {(g := receiver.next()).path: g.headers["idempotency-key"] for _ in range(3)}
    wait_until(lambda: len(rows(server)) == 2, "the third is written down")
    server.kill()
    server.restart()
    after = {(g := receiver.next()).path: g.headers["idempotency-key"] for _ in range(2)}
    for s in stalls:
        s.set()
    assert after == {p: before[p] for p in ("/first", "/second")}
    wait_until(lambda: rows(server) == [], "all were delivered")
    server.terminate()
    server.restart()
    server.connect(PROGRAMS)
    assert Run.get(name=r.name).phase == SUCCEEDED
    assert receiver.got.empty() and rows(server) == []


def senders(server):
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/comm")
    return [name for t in tasks if (name := t.read_text().strip()) == "tern-send"]


def test_a_slow_receiver_takes_no_more_than_its_share(start, receiver):
    server = start(*LOCAL, "--notify.timeout", "60s")
    stall = threading.Event()
    receiver.answers["/slow"] = [stall] * 12
    run(notifying.good, *[notify.Webhook(on_phase=SUCCEEDED, url=f"{receiver.url}/slow") for _ in range(12)])
    under_way = [receiver.next() for _ in range(8)]
    with http_receiver() as other:
        run(notifying.good, notify.Webhook(on_phase=SUCCEEDED, url=f"{other.url}/quick"))
        assert other.next().path == "/quick"
    assert receiver.got.empty() and len(senders(server)) == 9
    stall.set()
    under_way += [receiver.next() for _ in range(4)]
    assert len({g.headers["idempotency-key"] for g in under_way}) == 12
    wait_until(lambda: rows(server) == [], "all were delivered")


def test_what_nobody_hears_waits_for_its_receiver_across_a_kill(start):
    with http_receiver() as first:
        port = first.server_port
    server = start(*LOCAL, "--notify.attempts", "1000")
    r = run(notifying.good, notify.Webhook(on_phase=SUCCEEDED, url=f"http://127.0.0.1:{port}/late"))
    wait_until(lambda: any(row["attempts"] > 1 for row in rows(server)), "attempts")
    server.kill()
    with http_receiver(port) as later:
        server.restart()
        assert json.loads(later.next().body)["run"] == r.name
        wait_until(lambda: rows(server) == [], "it was delivered")


def test_rules_and_deliveries_by_name(start, receiver, tmp_path):
    file = tmp_path / "notify.yaml"
    hook = '{webhook: {url: "%s/%%s", method: HTTP_METHOD_POST, body_template: "{{.Run.Name}} & {{.Phase}}"}}' % receiver.url
    file.write_text(f"deliveries:\n  oncall: {hook % 'oncall'}\n  flytesnacks/development/team: {hook % 'ours'}\n"
                    f"  team: {hook % 'theirs'}\nrules:\n  alerts: {{on_phases: [FAILED, SUCCEEDED], deliveries: [oncall, team]}}\n")
    server = start(*LOCAL, "--notify.file", file)
    r = run(notifying.good, notify.NamedRule("alerts"))
    got = {(g := receiver.next()).path: g.body for _ in range(2)}
    assert got == {p: f"{r.name} & SUCCEEDED".encode() for p in ("/oncall", "/ours")}
    run(notifying.good, notify.NamedDelivery(on_phase=SUCCEEDED, name="oncall"))
    assert receiver.next().path == "/oncall"
    run(notifying.good, notify.NamedRule("unheard-of"))
    run(notifying.good, notify.NamedDelivery(on_phase=SUCCEEDED, name="nowhere"))
    assert sorted(d["error"] for d in dead(server, 2)) == [
        'there is no delivery config "nowhere" in notify.file', 'there is no rule "unheard-of" in notify.file']
    file.write_text("rules: {a: {on_phases: [FAILED], deliveries: [missing]}}")
    server.terminate()
    with pytest.raises(RuntimeError, match="line 1: a: deliveries: each is a name"):
        server.restart()


def test_a_run_that_took_too_long(start, receiver, tmp_path):
    """It has not failed: only those hear of it that asked for this phase, by a rule or by themselves."""
    file = tmp_path / "notify.yaml"
    text = "{{.Run.Name}}|{{.Phase}}|{{.Error}}"
    file.write_text(f"deliveries: {{told: {{webhook: {{url: '{receiver.url}/rule', method: HTTP_METHOD_POST, body_template: '{text}'}}}}}}\n"
                    "rules: {late: {on_phases: [TIMED_OUT], deliveries: [told]}}\n")
    server = start(*LOCAL, "--notify.file", file)
    by_rule = run(notifying.too_slow, notify.NamedRule("late"))
    itself = run(notifying.too_slow, notify.Webhook(on_phase=(FAILED, TIMED_OUT), url=f"{receiver.url}/itself"),
                 notify.Webhook(on_phase=(FAILED, ABORTED, SUCCEEDED), url=f"{receiver.url}/others"))
    got = {(g := receiver.next()).path: g.body.decode() for _ in range(2)}
    assert set(got) == {"/rule", "/itself"} and by_rule.phase == itself.phase == TIMED_OUT
    assert "not finished 1 s after it was queued first" in error_of(by_rule)
    assert got["/rule"].split("|") == [by_rule.name, "TIMED_OUT", error_of(by_rule)]
    assert json.loads(got["/itself"]) == {"run": itself.name, "project": "flytesnacks", "domain": "development", "phase": "TIMED_OUT",
                                          "error": error_of(itself)}
    wait_until(lambda: rows(server) == [], "all were delivered")
    assert receiver.got.empty()


def test_a_condition_calls_its_webhook_and_is_answered_through_it(start, receiver, tmp_path):
    file = tmp_path / "notify.yaml"
    text = "{{.Action}}|{{.Prompt}}|{{.Description}}|{{.PromptType}}|{{.Run.Name}}|{{.Phase}}|{{.Error}}"
    file.write_text(f"deliveries: {{told: {{webhook: {{url: '{receiver.url}/told', method: HTTP_METHOD_POST, body_template: '{text}'}}}}}}\n"
                    "rules: {watch: {on_phases: [PAUSED, ABORTED], deliveries: [told]}}")
    server = start(*LOCAL, "--notify.file", file)
    r = flyte.run(notifying.asking, url=f"{receiver.url}/ask")
    got = receiver.next()
    body = json.loads(got.body)
    uri = body["text"][1]["to"]
    assert (got.method, got.path, body) == ("POST", "/ask", {"text": [f"answer at {uri}", {"to": uri}], "n": 7})
    assert uri.startswith(f"http://{server.endpoint}/answer/")

    def post(url, data, kind="application/json", **headers):
        request = urllib.request.Request(url, data=data.encode(), headers={"content-type": kind, **headers})
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as e:
            return e.code

    page = urllib.request.urlopen(uri)
    assert "How &lt;many&gt;?" in page.read().decode()
    # What a browser needs to send the form, and to say from where.
    assert "form-action 'self'" in page.headers["content-security-policy"] and page.headers["referrer-policy"] == "same-origin"
    assert post(uri[:-1] + ("y" if uri.endswith("x") else "x"), '{"value": 1}') == 404
    assert post(uri, '{"value": "1"}') == 400 and post(uri, '{"value": true}') == 400 and post(uri, "nonsense") == 400
    own, form = f"http://{server.endpoint}", "application/x-www-form-urlencoded"
    for origin in ("null", "http://evil.example", own[:-1]):
        assert post(uri, "value=42", kind=form, origin=origin) == 403
    assert str(Run.get(name=r.name).phase).endswith("RUNNING")
    assert post(uri, "value=42", kind=form, origin=own) == 200
    r.wait(quiet=True)
    assert r.outputs()[0] == 42
    assert post(uri, '{"value": 42}') == 200 and post(uri, "43") == REFUSED
    assert "form-action 'none'" in urllib.request.urlopen(uri).headers["content-security-policy"]
    r = flyte.with_runcontext(notifications=notify.NamedRule("watch")).run(notifying.asking, url=f"{receiver.url}/ask")
    got = {(g := receiver.next()).path: g for _ in range(2)}
    action, *rest = got["/told"].body.decode().split("|")
    assert action not in ("", "a0") and rest == ["How <many>?", "of them", "TEXT", r.name, "PAUSED", ""]
    r.abort(reason="no longer needed")
    told = receiver.next()
    assert told.body.decode().split("|")[-3:] == [r.name, "ABORTED", "no longer needed"]
    uri = json.loads(got["/ask"].body)["text"][1]["to"]
    assert post(uri, "1") == REFUSED
    wait_until(lambda: rows(server) == [], "all were delivered")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_over_tls_with_a_password(start, certificate, scheme):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with smtp_receiver(tls, login=True, at_once=scheme == "smtps") as secure:
        args = ["--notify.smtp.url", f"{scheme}://localhost:{secure.port}", "--notify.smtp.from", "tern@example.org",
                "--notify.smtp.user", "tern", "--notify.smtp.password", "env:MAIL_PASSWORD"]
        email = [notify.Email(on_phase=SUCCEEDED, recipients=("a@example.org",))]
        server = start(*args, "--notify.smtp.ca", certificate / "cert.pem", env={"MAIL_PASSWORD": "the-right-one"})
        secure.answers += ["451 later", "451 later"]
        run(notifying.good, *email)
        assert secure.next().recipients == ["a@example.org"] and (b"tern", b"the-right-one") in secure.logins
        run(notifying.good, notify.Email(on_phase=SUCCEEDED, recipients=("nobody@example.org",)))
        assert "550" in dead(server)[0]["error"]
        log = server.log.read_text()
        assert "the-right-one" not in log and "the-right-one" not in server.command("config", "show").stdout
        server = start(*args, env={"MAIL_PASSWORD": "the-right-one"})  # nobody vouches for the certificate
        run(notifying.good, *email)
        assert "certificate" in dead(server)[0]["error"].lower() and secure.mails.empty()


def test_mail_to_a_server_without_tls_is_not_sent(start, inbox):
    server = start("--notify.smtp.url", f"smtp://127.0.0.1:{inbox.port}", "--notify.smtp.from", "tern@example.org")
    run(notifying.good, notify.Email(on_phase=SUCCEEDED, recipients=("a@example.org",)))
    assert "no TLS" in dead(server)[0]["error"] and inbox.mails.empty()
