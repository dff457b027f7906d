"""Tasks that connectors run, with the real connector server of flyte[connector] (connector/jobs.py) as a process."""
import json

import connected
import flyte
import pytest
import wire
from conftest import PROGRAMS
from connector_server import ConnectorServer
from waiting import wait_until

ASYNC = "/flyteidl2.connector.AsyncConnectorService/"
META = "/flyteidl2.connector.ConnectorMetadataService/"
PASSWORD = "a-password-that-nobody-keeps"


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    c = ConnectorServer(tmp_path_factory.mktemp("connector")).start()
    yield c
    c.stop()


@pytest.fixture
def server(make_tern, connector, tern):
    server = make_tern(env={"TERN_EXEC_CONNECTORS": f"localhost:{connector.port} poll=200ms"}).start()
    wait_until(lambda: "connector reached" in server.log.read_text(), "the list of types")
    yield server
    tern.connect(PROGRAMS)


def begin(server, task, **inputs):
    return server.connect(PROGRAMS).run(task, **inputs)


def finish(run, expect):
    run.wait(quiet=True)
    assert str(run.phase).rsplit(".", 1)[-1].lower() == expect, run.details().action_details.error_info
    return run


def lines(run):
    """What the job itself logged."""
    return "".join(line + "\n" for line in run.get_logs(filter_system=True)).split()


def error(run):
    return run.details().action_details.pb2.error_info


def attempts(server, run):
    answer = wire.call(server.endpoint, wire.RUNS + "GetRunDetails", {
        "runId": {"project": "flytesnacks", "domain": "development", "name": run.name}})
    return answer.json["details"]["action"]["attempts"]


def system_lines(server):
    return "".join(p.read_text(errors="replace") for p in (server.data / "logs").glob("*/*.log"))


def test_from_the_command_line(server, connector):
    before = connector.all()
    done = server.cli("run", "--follow", "connected.py", "job", "--how", "SUCCEEDED", "--message", "hello")
    job = connector.read(connector.new(before))
    assert job["inputs"] == {"how": "SUCCEEDED", "message": "hello"}
    execution = job["metadata"]["taskExecutionId"]
    assert execution["nodeExecutionId"]["executionId"]["project"] == "flytesnacks"
    assert job["output_prefix"].startswith("s3://") and job["output_prefix"].endswith("/1")
    assert job["metadata"]["environmentVariables"]["ACTION_NAME"] == execution["nodeExecutionId"]["nodeId"]
    assert not any("SECRET" in k or "ACCESS_KEY" in k for k in job["metadata"]["environmentVariables"])
    assert "https://console.example.org/" in done.stdout, done.stdout


def test_outputs_go_to_a_parent(server):
    assert finish(begin(server, connected.parent, message="four"), "succeeded").outputs()[0] == 5


def test_how_jobs_end(server, connector):
    failed = finish(begin(server, connected.job, how="FAILED", message="no such table"), "failed")
    info = error(failed)
    assert "no such table" in info.message and info.kind == info.KIND_USER
    assert len(failed.details().action_details.pb2.attempts) == 1
    refused = finish(begin(server, connected.job, how="REFUSE", message=""), "failed")
    assert "no such warehouse: 100 % wrong, ü" in error(refused).message
    again = finish(begin(server, connected.twice, how="RETRYABLE_FAILED", message="busy"), "failed")
    assert len(again.details().action_details.pb2.attempts) == 2
    lost = begin(server, connected.job, how="ABORTED", message="")
    assert "aborted" in error(finish(lost, "failed")).message


def test_a_failure_that_says_too_much_is_cut(server, connector):
    before = connector.all()
    run = begin(server, connected.job, how="RUNNING", message="")
    connector.change(connector.new(before), phase="FAILED", message="ü" * (9 << 20))
    info = wire.error(server.endpoint, finish(run, "failed").name)
    assert info["code"] == "TaskFailedWithError" and info["kind"] == "KIND_USER"
    assert info["message"].startswith("failed to run the job: üüü") and 60_000 < len(info["message"].encode()) <= 64 << 10


def test_abort_deletes_the_job(server, connector):
    before = connector.all()
    run = begin(server, connected.job, how="RUNNING", message="")
    job = connector.new(before)
    connector.wait_for_looks(job, 1)
    run.abort("enough")
    wait_until(lambda: "delete" in connector.calls(job), "DeleteTask")
    finish(run, "aborted")
    wait_until(lambda: not list((server.data / "run" / "connectors").iterdir()), "the end of the record")


def test_abort_while_the_record_cannot_be_written(server, connector):
    before = connector.all()
    in_the_way = server.data / "run" / "connectors"
    in_the_way.write_text("")
    run = begin(server, connected.job, how="RUNNING", message="")
    job = connector.new(before)
    wait_until(lambda: "a connector's job cannot be written now" in server.log.read_text(), "the failure")
    run.abort("enough")
    wait_until(lambda: "delete" in connector.calls(job), "DeleteTask")
    finish(run, "aborted")


@pytest.mark.parametrize("message", ["begun", "to be continued"])
def test_log_of_the_job(server, connector, message):
    before = connector.all()
    run = begin(server, connected.job, how="RUNNING", message=message)
    job = connector.new(before)
    connector.say(job, "one\ntwo\nthree\n")
    connector.wait_for_looks(job, 4)
    connector.say(job, "four\n")
    connector.wait_for_looks(job, 2)
    connector.say(job, "five\n")
    connector.change(job, phase="SUCCEEDED")
    finish(run, "succeeded")
    assert lines(run) == ["one", "two", "three", "four", "five"]


def test_long_log_of_a_job_that_is_over_at_the_first_look(server, connector):
    run = begin(server, connected.job, how="SUCCEEDED", message="500 lines")
    finish(run, "succeeded")
    assert lines(run) == [f"line-{i}" for i in range(500)]


def test_kill_9_while_it_runs(server, connector):
    before = connector.all()
    run = begin(server, connected.job, how="RUNNING", message="12")
    job = connector.new(before)
    connector.say(job, "one\n10%\r20%\n" + 70_000 * "x" + "\n")
    connector.wait_for_looks(job)
    server.kill()
    connector.say(job, "after\n")
    connector.change(job, phase="SUCCEEDED")
    server.restart()
    assert finish(run, "succeeded").outputs()[0] == 2
    assert [j for j in connector.all() if j not in before] == [job], "created once"
    assert lines(run) == ["one", "10%", "20%", 65_536 * "x", 4_464 * "x", "after"]


def test_connector_away(server, connector):
    before = connector.all()
    run = begin(server, connected.job, how="RUNNING", message="123")
    job = connector.new(before)
    connector.wait_for_looks(job, 1)
    connector.stop()
    late = begin(server, connected.job, how="SUCCEEDED", message="1234")
    wait_until(lambda: "cannot be asked now" in system_lines(server), "a word about it")
    connector.change(job, phase="SUCCEEDED")
    connector.start()
    assert finish(run, "succeeded").outputs()[0] == 3
    assert finish(late, "succeeded").outputs()[0] == 4


def test_connector_that_goes_before_it_answers(server, connector):
    before = connector.all()
    (connector.jobs / "last").touch()
    run = begin(server, connected.job, how="SUCCEEDED", message="12345")
    connector.process.wait(60)
    connector.start()
    assert finish(run, "succeeded").outputs()[0] == 5
    first, second = (connector.read(j) for j in connector.all() if j not in before)
    assert first["output_prefix"].endswith("/1") and second["output_prefix"].endswith("/2")
    info = attempts(server, run)[0]["errorInfo"]
    assert "did not say whether" in info["message"] and info["kind"] == "KIND_SYSTEM"


def test_connector_that_does_not_know(server, connector):
    before = connector.all()
    run = begin(server, connected.job, how="UNDEFINED", message="")
    first = wait_until(lambda: len(attempts(server, run)) > 1 and attempts(server, run)[0], "another attempt")["errorInfo"]
    assert "does not say how the job is" in first["message"] and first["kind"] == "KIND_SYSTEM"
    assert connector.calls(connector.new(before))[-1] == "delete"
    run.abort("enough")


def test_whose_tasks(make_tern, connector, tern):
    entries = f"localhost:{connector.port} project=elsewhere,localhost:{connector.port} type=other"
    server = make_tern(env={"TERN_EXEC_CONNECTORS": entries}).start()
    wait_until(lambda: "connector reached" in server.log.read_text(), "the list of types")
    failed = finish(begin(server, connected.job, how="SUCCEEDED", message=""), "failed")
    assert '"job"' in error(failed).message
    made = wire.call(server.endpoint, ASYNC + "CreateTask", {
        "template": {"type": "job", "id": {"project": "elsewhere"}, "interface": {"inputs": {}}},
        "outputPrefix": "s3://tern/x", "taskExecutionMetadata": {"namespace": "n"}})
    assert made.status == 200, made
    tern.connect(PROGRAMS)


def test_connection_with_secrets(server, connector):
    before = connector.all()
    missing = finish(begin(server, connected.signed, how="SUCCEEDED", message=""), "failed")
    assert "JOBS_PASSWORD" in error(missing).message
    server.cli("create", "secret", "JOBS_PASSWORD", "--value", PASSWORD)
    run = begin(server, connected.signed, how="RUNNING", message="")
    job = connector.new(before)
    assert connector.read(job)["secrets"] == {"password": PASSWORD, "warehouse": "big"}
    connector.wait_for_looks(job, 1)
    server.kill()
    server.restart()
    connector.wait_for_looks(job, 1)
    assert json.loads(connector.calls(job)[-1].removeprefix("get "))["password"] == PASSWORD
    for path in server.data.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
    connector.change(job, phase="SUCCEEDED")
    finish(run, "succeeded")


def test_connection_that_is_too_large(server, connector):
    before = connector.all()
    secret = {"id": {"name": "LARGE"}, "secretSpec": {"type": "SECRET_TYPE_GENERIC", "stringValue": "x" * (1 << 20)}}
    assert wire.call(server.endpoint, "/flyteidl2.secret.SecretService/CreateSecret", secret).status == 200
    task = connected.Job("large", custom={"secrets": {f"key{i}": "LARGE" for i in range(5)}})
    flyte.TaskEnvironment.from_task("large", task)
    info = wire.error(server.endpoint, finish(begin(server, task, how="SUCCEEDED", message=""), "failed").name)
    assert info["code"] == "BadTaskSpecification" and "larger than 4 MiB" in info["message"]
    assert connector.all() == before


def test_services(server, connector, tern):
    none = wire.call(tern.endpoint, META + "ListConnectors", {})
    assert none.code == "failed_precondition" and "exec.connectors" in none.message
    assert wire.call(tern.endpoint, ASYNC + "CreateTask", {"template": {"type": "job"}}).code == "failed_precondition"

    def ask(path, message):
        return wire.call(server.endpoint, path, message)
    kind = {"name": "job"}
    assert ask(META + "ListConnectors", {}).json["connectors"] == [
        {"name": "Jobs", "supportedTaskCategories": [{"name": "job"}]}]
    assert ask(META + "GetConnector", {"name": "Jobs"}).json["connector"]["name"] == "Jobs"
    assert ask(META + "GetConnector", {"name": "Others"}).code == "not_found"
    made = ask(ASYNC + "CreateTask", {"template": {"type": "job", "interface": {"inputs": {}}},
                                      "outputPrefix": "s3://tern/x", "taskExecutionMetadata": {"namespace": "n"}})
    meta = made.json["resourceMeta"]
    resource = ask(ASYNC + "GetTask", {"taskCategory": kind, "resourceMeta": meta}).json["resource"]
    assert resource["phase"] == "SUCCEEDED" and resource["logLinks"][0]["name"] == "Console"
    job = connector.all()[-1]
    metrics = ask(ASYNC + "GetTaskMetrics", {"taskCategory": kind, "resourceMeta": meta})
    assert metrics.json["results"][0]["metric"] == job
    assert ask(ASYNC + "DeleteTask", {"taskCategory": kind, "resourceMeta": meta}).status == 200
    assert connector.calls(job)[-1] == "delete"
    assert ask(ASYNC + "GetTask", {"taskCategory": {"name": "spark"}, "resourceMeta": meta}).code == "not_found"
    page = wire.post(server.endpoint, ASYNC + "GetTaskLogs", wire.frame(json.dumps(
        {"taskCategory": kind, "resourceMeta": meta}).encode()), content_type="application/connect+json")
    assert json.loads(list(wire.frames(page.body))[1][1]) == {"header": {}}
    bad = ask(ASYNC + "GetTask", {"taskCategory": kind, "resourceMeta": "e30="})
    assert bad.code == "internal" and "failed to get job task" in bad.message
    audited = {json.loads(row)["rpc"] for row in server.command("audit", "--json").stdout.splitlines()}
    assert audited & {ASYNC + "CreateTask", ASYNC + "GetTask", ASYNC + "GetTaskMetrics", ASYNC + "DeleteTask"} == {
        ASYNC + "CreateTask", ASYNC + "DeleteTask"}


def test_no_connector_serves_the_type(tern, run, sdk):
    r = run(connected.job, how="SUCCEEDED", message="", expect="failed")
    message = error(r).message
    assert "exec.connectors" in message and '"job"' in message


@pytest.mark.parametrize("entry", ["nowhere", "localhost:0", "localhost:80/path", "localhost:80 size=3",
                                   "localhost:80 poll=never", " type=job"])
def test_bad_settings(make_tern, entry):
    with pytest.raises(RuntimeError, match="exec.connectors"):
        make_tern(env={"TERN_EXEC_CONNECTORS": entry}).start()
