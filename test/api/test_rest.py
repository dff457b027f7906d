"""REST: the API with nothing but HTTP and JSON."""
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

from wire import create_run, post, run_id, sleeper, split

API = "/api/v1/"
RUNS = API + "flyteidl2.workflow.RunService/"
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def rest(tern, method, path, body=None, content_type="application/json", headers=None):
    connection = http.client.HTTPConnection(*split(tern.endpoint), timeout=60)
    try:
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, body, sent)
        r = connection.getresponse()
        return r.status, r.headers, r.read()
    finally:
        connection.close()


def ok(tern, *args, **options):
    status, headers, body = rest(tern, *args, **options)
    assert status == 200, (status, body)
    assert headers["Content-Type"] == "application/json"
    return json.loads(body)


def refused(tern, *args, **options):
    status, headers, body = rest(tern, *args, **options)
    assert headers["Content-Type"] == "application/json", (status, body)
    error = json.loads(body)
    assert set(error) == {"code", "message", "details"}, error
    return status, error["code"], error["message"]


def test_the_five_operations_on_secrets(tern):
    base = "/secrets/api/v1"
    assert ok(tern, "POST", base, {"id": {"name": "rest", "project": "flytesnacks", "domain": "development"},
                                   "secret_spec": {"string_value": "first"}}) == {}
    scope = "?id.project=flytesnacks&id.domain=development"
    secret = ok(tern, "GET", f"{base}/name/rest{scope}")["secret"]
    assert secret["id"] == {"name": "rest", "project": "flytesnacks", "domain": "development"}
    assert ok(tern, "PUT", f"{base}/name/rest", {"id": {"project": "flytesnacks", "domain": "development"},
                                                 "secretSpec": {"binaryValue": "AAEC"}}) == {}
    listed = ok(tern, "GET", base + "?project=flytesnacks&domain=development&limit=100")["secrets"]
    assert [s for s in listed if s["id"]["name"] == "rest"]
    assert "first" not in json.dumps(listed) and "AAEC" not in json.dumps(listed)
    assert refused(tern, "GET", f"{base}/name/rest")[:2] == (404, 5)  # another scope
    assert ok(tern, "DELETE", f"{base}/name/rest{scope}") == {}
    assert refused(tern, "DELETE", f"{base}/name/rest{scope}") == (404, 5, "secret rest not found")
    assert refused(tern, "GET", f"{base}/name/a%2Fb")[:2] == (400, 3)  # its name's rule


def test_a_run_with_the_standard_library(tern):
    made = ok(tern, "POST", RUNS + "CreateRun", sleeper("rest-run", 1))
    assert made["run"]["action"]["id"]["run"]["name"] == "rest-run"
    # Every state until it has ended, one line each.
    status, headers, body = rest(tern, "POST", RUNS + "WatchRunDetails", {"runId": run_id("rest-run")})
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in body.decode().splitlines()]
    assert all(list(line) == ["result"] for line in lines)
    assert lines[-1]["result"]["details"]["action"]["status"]["phase"] == "ACTION_PHASE_SUCCEEDED"
    query = urllib.parse.urlencode({"runId.project": "flytesnacks", "runId.domain": "development", "run_id.name": "rest-run"})
    by_get = ok(tern, "GET", f"{RUNS}GetRunDetails?{query}")
    assert by_get == ok(tern, "POST", RUNS + "GetRunDetails", {"runId": run_id("rest-run")})
    assert by_get == post(tern.endpoint, "/flyteidl2.workflow.RunService/GetRunDetails",
                          json.dumps({"runId": run_id("rest-run")}).encode()).json
    listed = ok(tern, "GET", RUNS + "ListRuns?projectId.name=flytesnacks&projectId.domain=development&request.limit=100"
                )
    assert "rest-run" in [r["action"]["id"]["run"]["name"] for r in listed["runs"]]


def test_errors(tern):
    secret = "/secrets/api/v1/name/none"
    assert refused(tern, "GET", secret + "?id.nope=1") == (
        400, 3, 'query: id.nope: flyteidl2.secret.SecretIdentifier has no field "nope"')
    assert refused(tern, "GET", RUNS + "ListRuns?request.limit=-1")[2] == "query: request.limit: number out of range"
    assert refused(tern, "GET", RUNS + "ListRuns?org=a&projectId.name=b")[2].startswith("query: projectId.name: another member")
    assert refused(tern, "POST", RUNS + "GetRunDetails", {"runid": {}})[2].endswith('no field named "runid" at byte 9')
    assert refused(tern, "POST", RUNS + "GetRunDetails", b"{")[:2] == (400, 3)
    assert refused(tern, "POST", RUNS + "GetRunDetails", {})[:2] == (400, 3)
    assert refused(tern, "GET", RUNS + "CreateRun") == (405, 12, "this path is for POST")
    assert refused(tern, "POST", RUNS + "Nope", {})[:2] == (404, 5)
    assert refused(tern, "GET", "/api/v1/connectors")[:2] == (400, 9)  # none in the settings
    assert refused(tern, "POST", API + "flyteidl2.app.AppService/Get", {"appId": {"name": "a"}})[:2] == (501, 12)
    assert refused(tern, "POST", RUNS + "WatchRunDetails", {"runId": run_id("rest-none")})[:2] == (404, 5)
    big = {"runId": run_id("a"), "x": "y" * (70 << 10)}
    assert refused(tern, "POST", RUNS + "WatchRunDetails", big)[:2] == (429, 8)


def test_other_sites_cannot_change_anything(tern):
    """What a page of another site can make a browser send without asking is refused, with and without its Origin."""
    secret = {"id": {"name": "csrf"}, "secretSpec": {"stringValue": "x"}}
    simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonp",
              "text/plain; application/json"]
    for path in ("/secrets/api/v1", API + "flyteidl2.project.ProjectService/CreateProject"):
        for kind in simple:
            assert refused(tern, "POST", path, secret, content_type=kind)[0] == 415, kind
        assert refused(tern, "POST", path)[0] == 415  # no body, no type
    for origin in ("http://evil.example", "null", f"http://localhost:{split(tern.endpoint)[1] + 1}"):
        for method in ("POST", "PUT", "DELETE", "GET"):
            path = "/secrets/api/v1" + ("" if method == "POST" else "/name/csrf")
            assert refused(tern, method, path, secret if method in ("POST", "PUT") else None, headers={"Origin": origin})[:2] == (403, 7)
    status, headers, _ = rest(tern, "OPTIONS", "/secrets/api/v1", headers={"Origin": "http://evil.example",
                                                                         "Access-Control-Request-Method": "DELETE"})
    assert status == 403 and not headers["Access-Control-Allow-Origin"]
    assert refused(tern, "GET", "/secrets/api/v1", headers={"Host": "evil.example"})[:2] == (403, 7)
    assert refused(tern, "GET", "/secrets/api/v1/name/csrf")[0] == 404


def test_a_listed_origin_may_call(make_tern):
    server = make_tern(args=["--security.allowed_origins", "http://app.example"])
    server.start()
    status, headers, _ = rest(server, "OPTIONS", "/secrets/api/v1/name/x",
                              headers={"Origin": "http://app.example", "Access-Control-Request-Method": "DELETE"})
    assert status == 204 and "DELETE" in headers["Access-Control-Allow-Methods"]
    status, headers, _ = rest(server, "DELETE", "/secrets/api/v1/name/x", headers={"Origin": "http://app.example"})
    assert (status, headers["Access-Control-Allow-Origin"]) == (404, "http://app.example")


def test_the_examples_of_the_documentation(tern):
    text = (ROOT / "docs" / "rest.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) >= 4
    script = "set -e\n" + "\n".join(blocks).replace("localhost:30080", "localhost:%d" % split(tern.endpoint)[1])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert '"phase":"ACTION_PHASE_SUCCEEDED"' in done.stdout.splitlines()[-1]


def missing_rpcs(tern):
    out, service = [], None
    for line in subprocess.run([tern.binary, "rpcs", "--missing"], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith(" "):
            out.append(f"{service}/{line.split()[0]}")
        elif line:
            service = line.strip()
    return out


def test_missing_rpcs_answer_501_and_no_others(tern):
    document = json.loads(rest(tern, "GET", "/openapi.json")[2])
    missing, seen = set(missing_rpcs(tern)), set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            service, _, name = operation["operationId"].removesuffix(".get").rpartition(".")
            if f"{service}/{name}" not in missing:
                continue
            at = re.sub(r"{[^}]*}", "x", path)
            status, code, message = refused(tern, method.upper(), at, {} if "requestBody" in operation else None)
            assert (status, code) == (501, 12), (at, message)
            seen.add(f"{service}/{name}")
    assert seen == missing


def test_schemathesis(make_tern, tmp_path):
    """Random requests from the document against the document: no crash, no 5xx, nothing that it does not say."""
    server = make_tern()
    server.start()
    assert create_run(server.endpoint, sleeper("fuzzed")).status == 200
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "run", f"http://{server.endpoint}/openapi.json",
               "--phases", "fuzzing", "--max-examples", os.environ.get("REST_EXAMPLES", "3"), "--generation-deterministic", "--mode", "all", "--request-timeout", "30", "--no-color", "--continue-on-failure",
               "--checks", "served,errors_are_a_status,lines_are_results,response_schema_conformance,"
               "content_type_conformance,status_code_conformance"]
    env = {**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "rest_hooks", "REST_RUN": "fuzzed",
           "REST_MISSING": json.dumps(missing_rpcs(server))}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested and int(tested.group(1)) > 150, done.stdout[-3000:]
    assert rest(server, "GET", "/healthz")[0] == 200
