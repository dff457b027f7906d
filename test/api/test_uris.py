"""Every URI that a client names is of Tern's own bucket, in order, and below a prefix that the caller may use (D-12)."""
import itertools

import pytest
import wire

ACTIONS, QUEUE = "/flyteidl2.actions.ActionsService/", "/flyteidl2.workflow.QueueService/"
PROXY, CACHE = "/flyteidl2.dataproxy.DataProxyService/", "/flyteidl2.cacheservice.v2.CacheService/"
RUN = "uris"
BASE = f"s3://tern/flytesnacks/development/{RUN}"
OTHER = "uriteam"
TRICKS = ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/x", "s3://other/flytesnacks/x", "s3://tern",
          f"{BASE}/../../x/y", f"{BASE}/a/%2e%2e/b", f"{BASE}/a/%2E./b", f"{BASE}//b", f"{BASE}/a%00b", f"{BASE}/a\nb",
          f"{BASE}/%zz", f"{BASE}/a?b", f"{BASE}/" + "x" * 1100, "S3://tern/flytesnacks/x"]
numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tern):
    assert wire.create_project(tern.endpoint, OTHER).status == 200
    assert wire.create_run(tern.endpoint, wire.sleeper(RUN)).status == 200
    yield tern
    wire.abort(tern.endpoint, RUN, "a0")


def create(**change):
    return wire.RUNS + "CreateRun", {**wire.sleeper(f"uri{next(numbers)}"), **change}


def offloaded(uri):
    path, message = create(offloadedInputData={"uri": uri, "inputsHash": "h"})
    del message["inputs"]
    return path, message


def upload(uri):
    return PROXY + "UploadInputs", {"projectId": wire.PROJECT, "taskSpec": wire.task_spec("python"), "inputs": {},
                                    "baseDir": uri}


def action(**change):
    """One field changed of an Enqueue that is right."""
    message = wire.child(RUN, f"c{next(numbers)}", "a0", f"{BASE}/inputs/x/inputs.pb", "child")["action"]
    return {**message, "runOutputBase": BASE + "/", **change}


def trace(**outputs):
    message = action(trace={"name": "t", "phase": "ACTION_PHASE_SUCCEEDED", "spec": {}, "outputs": outputs})
    del message["task"]
    return message


def both(field, make):
    """The two services that enqueue."""
    return {f"Enqueue-{field}": lambda uri: (ACTIONS + "Enqueue", {"action": make(uri)}),
            f"EnqueueAction-{field}": lambda uri: (QUEUE + "EnqueueAction", make(uri))}


def cached(uri):
    return CACHE + "Put", {"identifier": {"project": "flytesnacks", "domain": "development"},
                           "baseRequest": {"key": f"k{next(numbers)}", "output": {"outputUri": uri}}}


READS = {"CreateRun-offloaded_input_data.uri": offloaded,
         **both("input_uri", lambda uri: action(inputUri=uri)),
         "Put-output_uri": cached}
FOLDERS = {"CreateRun-raw_data_prefix": lambda uri: create(runSpec={"rawDataStorage": {"rawDataPrefix": uri}}),
           "CreateRun-run_base_dir": lambda uri: create(runSpec={"runBaseDir": uri}),
           "UploadInputs-base_dir": upload}
WRITES = {**both("run_output_base", lambda uri: action(runOutputBase=uri)),
          **both("output_uri", lambda uri: trace(outputUri=uri)),
          **both("report_uri", lambda uri: trace(reportUri=uri))}


def refused(server, name, make, uri):
    path, message = make(uri)
    a = wire.call(server.endpoint, path, message)
    assert a.code == "invalid_argument" and name.partition("-")[2] in a.message, (uri, a)
    return a.message


def accepted(server, make, uri):
    path, message = make(uri)
    a = wire.call(server.endpoint, path, message)
    assert a.status == 200, (uri, a)
    if path.endswith("CreateRun"):
        wire.abort(server.endpoint, message["runId"]["name"], "a0")


def cases(table):
    return pytest.mark.parametrize("name, make", table.items(), ids=table.keys())


@cases({**READS, **FOLDERS, **WRITES})
def test_uris_with_tricks(server, name, make):
    for uri in TRICKS:
        if name not in FOLDERS or uri != "s3://tern":  # the bucket itself is a folder
            refused(server, name, make, uri)


@cases(READS)
def test_what_may_be_read(server, name, make):
    accepted(server, make, f"{BASE}/inputs/x/inputs.pb")
    accepted(server, make, "s3://tern/uploads/flytesnacks/development/x/inputs.pb")
    if name.startswith("CreateRun"):  # people have every project as long as nobody logs in
        accepted(server, make, f"s3://tern/{OTHER}/development/r/a0/1/inputs.pb")
    else:
        for uri in (f"s3://tern/{OTHER}/development/r/x", f"s3://tern/uploads/{OTHER}/development/x/y", "s3://tern/x",
                    "s3://tern/flytesnacks2/x"):
            assert "may read" in refused(server, name, make, uri)


@cases(FOLDERS)
def test_where_runs_may_be_put(server, name, make):
    for uri in ("s3://tern/flytesnacks/here/", "s3://tern/elsewhere/a", "s3://tern/elsewhere"):
        accepted(server, make, uri)
    for uri in (f"s3://tern/{OTHER}/development", f"s3://tern/{OTHER}", "s3://tern/uploads/flytesnacks/development/x",
                "s3://tern/uploads"):
        assert "belongs to" in refused(server, name, make, uri)


@cases(WRITES)
def test_what_may_be_written(server, name, make):
    accepted(server, make, f"{BASE}/x/1/outputs.pb")
    for uri in (f"s3://tern/{OTHER}/development/r/x", "s3://tern/flytesnacks/development/other/a0/1/outputs.pb",
                f"{BASE}2/a0/1/outputs.pb", "s3://tern/uploads/flytesnacks/development/x/y", "s3://tern/x"):
        assert "may write" in refused(server, name, make, uri)


def test_raw_data_elsewhere_may_be_named(server):
    """A trace whose result lies in the run's own raw data."""
    spec = {"runSpec": {"rawDataStorage": {"rawDataPrefix": "s3://tern/rawuris"}}}
    assert wire.create_run(server.endpoint, {**wire.sleeper("rawuris"), **spec}).status == 200
    base = "s3://tern/flytesnacks/development/rawuris"
    for uri, status in (("s3://tern/rawuris/rawuris/t/o.pb", 200), ("s3://tern/rawuris/other/t/o.pb", 400)):
        message = trace(outputUri=uri)
        message["actionId"]["run"] = wire.run_id("rawuris")
        message.update(inputUri=f"{base}/x/inputs.pb", runOutputBase=base)
        a = wire.call(server.endpoint, ACTIONS + "Enqueue", {"action": message})
        assert a.status == status, a
    wire.abort(server.endpoint, "rawuris", "a0")


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "s3://other/x", "s3://tern/a/../b"])
def test_a_link_to_code_elsewhere(server, uri):
    """CreateDownloadLink follows what the task says."""
    message = wire.sleeper(f"code{next(numbers)}")
    message["taskSpec"]["taskTemplate"]["metadata"] = {"codeBundleUri": uri}
    assert wire.create_run(server.endpoint, message).status == 200
    a = wire.call(server.endpoint, PROXY + "CreateDownloadLink",
                  {"artifactType": "ARTIFACT_TYPE_CODE_BUNDLE",
                   "actionAttemptId": {"actionId": {"run": message["runId"], "name": "a0"}, "attempt": 1}})
    assert a.code == "invalid_argument" and "uri" in a.message, a
    wire.abort(server.endpoint, message["runId"]["name"], "a0")
