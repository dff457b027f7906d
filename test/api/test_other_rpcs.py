"""RPCs that the SDK does not call, or that no other file asks: what each of them does when all is well."""
import json

import failures
import flyte
import pytest
import queues
import wire
from test_children import ACTIONS, Parent
from waiting import wait_until

DATA_LOGS = "/flyteidl2.dataproxy.DataProxyService/TailLogs"
QUEUE = "/flyteidl2.workflow.QueueService/"
RUN_LOGS = "/flyteidl2.workflow.RunLogsService/TailLogs"
STATE = "/flyteidl2.workflow.StateService/"


def ask(tern, path, message, code=None):
    answer = wire.call(tern.endpoint, path, message)
    assert answer.code == code, answer
    return answer.json


def root_of(run):
    return {"run": wire.run_id(run), "name": "a0"}


def abort_run(tern, name):
    ask(tern, wire.RUNS + "AbortRun", {"runId": wire.run_id(name)})


# ---- logs -------------------------------------------------------------------------------------------------------------


def log_of(tern, path, run, attempt):
    """The lines of an attempt that has ended."""
    body = wire.frame(json.dumps({"actionId": root_of(run), "attempt": attempt}).encode())
    answer = wire.post(tern.endpoint, path, body, "application/connect+json")
    assert wire.stream_error(answer) == (None, ""), answer
    return [line for flags, payload in wire.frames(answer.body) if not flags & 2
            for logs in json.loads(payload)["logs"] for line in logs["lines"]]


def texts(lines):
    return "".join(line["message"] for line in lines)


@pytest.fixture(scope="module")
def retried(sdk):
    """A run of three attempts: two fail, and say which they are."""
    r = sdk.run(failures.third_time)
    r.wait(quiet=True)
    assert r.outputs()[0] == 2
    return r.name


def test_tail_logs_by_its_older_name(tern, retried):
    for attempt in (1, 2, 3):
        lines = log_of(tern, RUN_LOGS, retried, attempt)
        assert lines and lines == log_of(tern, DATA_LOGS, retried, attempt)
        assert {line["originator"] for line in lines} <= {"USER", "SYSTEM"} and all("timestamp" in line for line in lines)
        said = [n for n in range(3) if f"RuntimeError: attempt {n} fails" in texts(lines)]
        assert said == ([attempt - 1] if attempt < 3 else []), texts(lines)


def test_where_an_attempt_has_run(tern, retried):
    attempts = wire.details(tern.endpoint, retried)["action"]["attempts"]
    pods = set()
    for attempt in attempts:
        told = ask(tern, wire.RUNS + "GetActionLogContext", {"actionId": root_of(retried), "attempt": attempt["attempt"]})
        context = told["logContext"]
        assert context == attempt["logContext"] and context["primaryPodName"] == context["pods"][0]["podName"]
        running, = [t["startTime"] for t in attempt["phaseTransitions"] if t["phase"] == "ACTION_PHASE_RUNNING"]
        assert (told["cluster"], told["startTime"], told["endTime"]) == ("tern", running, attempt["endTime"])
        pods.add(context["primaryPodName"])
    assert len(pods) == 3
    for id, attempt in ((root_of(retried), 4), ({**root_of(retried), "name": "none"}, 1), (root_of("no-such-run"), 1)):
        ask(tern, wire.RUNS + "GetActionLogContext", {"actionId": id, "attempt": attempt}, code="not_found")


def test_a_log_is_waited_for_until_there_is_one(tern, sdk, tmp_path):
    """The stream opens before the task has begun; where it runs is told as soon as it does, with no end before the end."""
    witness = tmp_path / "witness"
    witness.touch()
    tern.command("queue", "pause", "later")
    r = flyte.with_runcontext(queue="later").run(queues.held, witness=str(witness), who="a")
    asked = {"actionId": root_of(r.name), "attempt": 1}
    with wire.Watch(tern.endpoint, RUN_LOGS, asked) as log:
        ask(tern, wire.RUNS + "GetActionLogContext", asked, code="not_found")
        tern.command("queue", "resume", "later")
        wait_until(lambda: "+a" in witness.read_text(), "the task")
        assert log.next()["logs"][0]["lines"]
        told = ask(tern, wire.RUNS + "GetActionLogContext", asked)
        assert "startTime" in told and "endTime" not in told
        (tmp_path / "witness.go").touch()
        r.wait(quiet=True)
    assert "endTime" in ask(tern, wire.RUNS + "GetActionLogContext", asked)


# ---- StateService -----------------------------------------------------------------------------------------------------


def test_a_state_is_kept_for_each_action(make_tern):
    server = make_tern().start()
    parent = Parent(server.endpoint, "states")
    parent.enqueue("x")

    def get(name):
        told = parent.call(STATE + "Get", {"actionId": parent.id(name)})
        assert told["actionId"] == {"run": {k: v for k, v in wire.run_id("states").items() if v}, "name": name}
        return told.get("state"), told["status"].get("code", 0)

    assert get("a0") == get("x") == (None, 5)
    large = json.dumps({"step": "ü" * 100_000})
    for name, state in (("a0", '{"step": 1}'), ("x", "no JSON \u0001"), ("a0", large)):
        put = parent.call(STATE + "Put", {"actionId": parent.id(name), "parentActionName": "a0", "state": state})
        assert put["actionId"]["name"] == name and put["status"] == {}
        assert get(name) == (state, 0)
    server.kill()
    server.restart()
    parent.endpoint = server.endpoint
    assert (get("a0"), get("x")) == ((large, 0), ("no JSON \u0001", 0))
    parent.call(STATE + "Get", {"actionId": parent.id("y")}, code="not_found")
    parent.call(STATE + "Put", {"actionId": parent.id("y"), "state": "1"}, code="not_found")
    parent.call(STATE + "Put", {"actionId": parent.id("x"), "state": "1" * (2**20 + 1)}, code="invalid_argument")


# ---- QueueService and ActionsService ----------------------------------------------------------------------------------


def phases(tern, run):
    listed = ask(tern, wire.RUNS + "ListActions", {"runId": wire.run_id(run)})["actions"]
    return {a["id"]["name"]: a["status"]["phase"].removeprefix("ACTION_PHASE_") for a in listed}


def abort_info(tern, run, action):
    details = ask(tern, wire.RUNS + "GetActionDetails", {"actionId": {"run": wire.run_id(run), "name": action}})["details"]
    return details["abortInfo"]["reason"]


def test_an_action_is_aborted_by_the_older_service(tern):
    parent = Parent(tern.endpoint, "older-abort-action")
    for name in ("x", "y", "z"):
        parent.enqueue(name)
    parent.call(QUEUE + "AbortQueuedAction", {"actionId": parent.id("x"), "reason": "not needed"})
    parent.call(QUEUE + "AbortQueuedAction", {"actionId": parent.id("y")})
    assert phases(tern, parent.run) == {"a0": "RUNNING", "x": "ABORTED", "y": "ABORTED", "z": "PAUSED"}
    assert abort_info(tern, parent.run, "x") == "not needed"
    assert abort_info(tern, parent.run, "y") == "aborted by its parent"
    abort_run(tern, parent.run)


@pytest.mark.parametrize("said, reason", [({"reason": "the parent gave up"}, "the parent gave up"), ({}, "User requested abort")])
def test_a_run_is_aborted_by_the_older_service(tern, said, reason):
    parent = Parent(tern.endpoint, "older-abort-" + reason.split()[1])
    parent.enqueue("x")
    parent.call(QUEUE + "AbortQueuedRun", {"runId": wire.run_id(parent.run), **said})
    wait_until(lambda: phases(tern, parent.run) == {"a0": "ABORTED", "x": "ABORTED"}, "the end of both")
    assert abort_info(tern, parent.run, "a0") == reason
    parent.enqueue("late", code="aborted")


def test_a_condition_is_signalled_from_inside_a_task(tern):
    """As SignalEvent does it, with a literal; who has signalled is told."""
    parent = Parent(tern.endpoint, "signalled-inside")
    parent.enqueue("x")

    def literal(**primitive):
        return {"scalar": {"primitive": primitive}}

    def signal(name, value, code=None):
        message = {"actionId": parent.id(name), "parentActionName": "a0", "value": value}
        return parent.call(ACTIONS + "Signal", message, code)

    assert "takes a integer, not a string" in signal("x", literal(stringValue="seven"), code="invalid_argument")["message"]
    assert phases(tern, parent.run)["x"] == "PAUSED"
    signal("x", literal(integer="7"))
    details = parent.call(wire.RUNS + "GetActionDetails", {"actionId": parent.id("x")})["details"]
    me = wire.details(tern.endpoint, parent.run)["action"]["metadata"]["executedBy"]
    assert details["status"]["phase"] == "ACTION_PHASE_SUCCEEDED"
    assert details["signalInfo"] == {"signalledBy": me, "output": literal(integer="7")}
    signal("x", literal(integer="8"), code="failed_precondition")
    signal("y", literal(integer="8"), code="not_found")
    abort_run(tern, parent.run)


# ---- AuthMetadataService ----------------------------------------------------------------------------------------------


def test_a_client_is_told_how_to_sign_in(tern):
    """That is: not at all; where the server is it learns."""
    path = "/flyteidl2.auth.AuthMetadataService/GetPublicClientConfig"
    told = ask(tern, path, {})
    assert told == {"authorizationMetadataKey": "authorization", "dataplaneDomain": f"http://{tern.endpoint}"}
    get = wire.post(tern.endpoint, path + "?encoding=json&message=%7B%7D&connect=v1", None, method="GET")
    assert get.json == told
