"""A client that knows nothing but what the server says of itself: `buf curl`, by reflection, in all three protocols."""
import json
import pathlib
import subprocess
import sys

import pytest

import wire

BUF = pathlib.Path(sys.executable).with_name("buf")  # of test/requirements.txt

PROTOCOLS = ("connect", "grpc", "grpcweb")
CODES = {"invalid_argument": 3, "not_found": 5, "permission_denied": 7, "failed_precondition": 9, "unimplemented": 12}
PROJECT_ID = {"projectId": {"name": "flytesnacks", "domain": "development"}}
NONE = {"run": wire.run_id("none"), "name": "a0"}
RECORD = "flyteidl2.workflow.InternalRunService/RecordActionStream"
# One of each service that changes nothing, and the error that it ends with.
CALLS = {
    "flyteidl2.actions.ActionsService/Abort": ({"actionId": NONE}, "not_found"),
    "flyteidl2.app.AppService/Get": ({}, "unimplemented"),
    "flyteidl2.artifact.ArtifactService/ListArtifactNames": (PROJECT_ID, None),
    "flyteidl2.auth.AuthMetadataService/GetPublicClientConfig": ({}, None),
    "flyteidl2.auth.IdentityService/UserInfo": ({}, None),
    "flyteidl2.cacheservice.CacheService/Get": ({"key": "none"}, "not_found"),
    "flyteidl2.cacheservice.v2.CacheService/Get": (
        {"baseRequest": {"key": "none"}, "identifier": {"project": "flytesnacks", "domain": "development"}}, "not_found"),
    "flyteidl2.cluster.ClusterService/SelectCluster": ({**PROJECT_ID, "operation": "OPERATION_CREATE_UPLOAD_LOCATION"}, None),
    "flyteidl2.connector.AsyncConnectorService/GetTask": ({}, "failed_precondition"),
    "flyteidl2.connector.ConnectorMetadataService/ListConnectors": ({}, "failed_precondition"),
    "flyteidl2.dataproxy.DataProxyService/GetActionData": ({"actionId": NONE}, "not_found"),
    "flyteidl2.imagebuilder.ImageService/GetImage": ({"id": {"name": "none"}}, "not_found"),
    "flyteidl2.org.DomainService/ListDomains": ({}, None),
    "flyteidl2.project.ProjectService/ListProjects": ({}, None),
    "flyteidl2.secret.SecretService/ListSecrets": ({}, None),
    "flyteidl2.settings.SettingsService/GetSettings": ({"key": {"domain": "development"}}, None),
    "flyteidl2.task.TaskService/ListTasks": (PROJECT_ID, None),
    "flyteidl2.trigger.TriggerService/ListTriggers": (PROJECT_ID, None),
    "flyteidl2.workflow.EventsProxyService/Record": ({}, "permission_denied"),
    "flyteidl2.workflow.InternalRunService/RecordAction": ({}, "invalid_argument"),
    "flyteidl2.workflow.QueueService/AbortQueuedAction": ({"actionId": NONE}, "not_found"),
    "flyteidl2.workflow.RunService/ListRuns": (PROJECT_ID, None),
    "flyteidl2.workflow.StateService/Get": ({"actionId": NONE}, "not_found"),
    "flyteidl2.workflow.TrackedRunService/GetRunDetails": ({"runId": NONE["run"]}, "not_found"),
    "flyteidl2.workflow.TranslatorService/JsonValuesToLiterals": ({}, "invalid_argument"),
    "grpc.health.v1.Health/Check": ({}, None),
}
# Services that have streams alone.
STREAMS = {
    "flyteidl2.app.AppLogsService/TailLogs": ({}, "unimplemented"),
    "flyteidl2.workflow.RunLogsService/TailLogs": ({"actionId": NONE, "attempt": 1}, "not_found"),
}
REFLECTION = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from harness import Tern
    t = Tern(tmp_path_factory.mktemp("buf") / "t").start()
    yield t
    t.finish()


@pytest.fixture(scope="module")
def start(server):
    """start(options of `buf curl`...) -> the process."""
    def go(*options, protocol="grpc", rpc="", data=()):
        messages = ["--data", "".join(map(json.dumps, data))] if data else []
        return subprocess.Popen([BUF, "curl", "--http2-prior-knowledge", "--protocol", protocol, *options, *messages,
                                 f"http://{server.endpoint}/{rpc}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=server.env())

    return go


@pytest.fixture(scope="module")
def curl(start):
    """curl(protocol, rpc, messages...) -> (the answers, the error's code or None, its message)."""
    return lambda protocol, rpc, *messages: ended(start(protocol=protocol, rpc=rpc, data=messages))


def ended(process):
    answers, error = process.communicate(timeout=wire.TIMEOUT_S)
    error = json.loads(error) if error else {}
    assert process.returncode == 8 * CODES.get(error.get("code"), 0), (answers, error)
    return list(objects(answers)), error.get("code"), error.get("message", "")


def objects(text):
    at, decoder = 0, json.JSONDecoder()
    while text := text[at:].lstrip():
        value, at = decoder.raw_decode(text)
        yield value


def service_of(rpc):
    return rpc.partition("/")[0]


def all_methods(server):
    """As `tern rpcs` has them: a line for each service, and below it, indented, one for each method."""
    out, service = [], None
    for line in subprocess.run([server.binary, "rpcs"], capture_output=True, text=True, check=True).stdout.splitlines():
        if not line.startswith(" "):
            service = line
        else:
            out.append(f"{service}/{line.split()[0]}")
    return out


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_listing(server, start, version):
    def listed(what):
        return sorted(start("--reflect-protocol", version, what).communicate(timeout=wire.TIMEOUT_S)[0].split())

    methods = all_methods(server)
    services = {service_of(m) for m in methods}
    assert listed("--list-methods") == sorted(methods)
    assert listed("--list-services") == sorted(services)
    assert services == {service_of(m) for m in [*CALLS, *STREAMS]} | REFLECTION


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_rpc_of_each_service(server, curl, protocol):
    for rpc, (request, code) in CALLS.items():
        ours = wire.call(server.endpoint, f"/{rpc}", request)
        assert curl(protocol, rpc, request) == ([] if code else [ours.json], code, ours.message), rpc
    for rpc, (request, code) in STREAMS.items():
        assert curl(protocol, rpc, request)[:2] == ([], code), rpc


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_stream(server, start, protocol):
    name = f"watched-{protocol}"
    assert wire.create_run(server.endpoint, wire.sleeper(name)).status == 200
    watch = start(protocol=protocol, rpc="flyteidl2.workflow.RunService/WatchRunDetails", data=[{"runId": wire.run_id(name)}])
    first = "".join(iter(watch.stdout.readline, "}\n")) + "}"  # to the line that ends it
    assert "endTime" not in json.loads(first)["details"]["action"]["status"]
    assert wire.abort(server.endpoint, name, "a0").status == 200
    answers, code, _ = ended(watch)
    assert code is None and answers[-1]["details"] == wire.details(server.endpoint, name)
    assert answers[-1]["details"]["action"]["status"]["phase"] == "ACTION_PHASE_ABORTED"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_bidirectional_stream(curl, protocol):
    records = [{"request": {"actionId": {**NONE, "name": n}}} for n in ("x", "y", "z")]
    answers, code, _ = curl(protocol, RECORD, *records)
    assert code is None and [a["response"]["actionId"]["name"] for a in answers] == ["x", "y", "z"]
    assert {a["response"]["status"]["code"] for a in answers} == {CODES["permission_denied"]}
    assert curl(protocol, RECORD, {"request": {}}) == ([], "invalid_argument", "request.action_id: is required")
