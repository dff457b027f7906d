"""Triggers: with the real SDK and its command line, then what only plain requests show."""
import inspect
import os
import subprocess
import sys
import time
from datetime import datetime, timezone

import pytest
import wire
from harness import BINARY
from waiting import wait_until
from wall_clock import WallClock

TRIGGERS = "/flyteidl2.trigger.TriggerService/"
TASKS = "/flyteidl2.task.TaskService/"
SCOPE = {"project": "flytesnacks", "domain": "development"}


def ok(endpoint, path, message):
    a = wire.call(endpoint, path, message)
    assert a.status == 200, a
    return a.json


def name_of(task, trigger):
    return {**SCOPE, "taskName": task, "name": trigger}


def runs_of(endpoint, task, trigger):
    """Oldest first."""
    found = ok(endpoint, wire.RUNS + "ListRuns", {
        "triggerName": name_of(task, trigger),
        "request": {"limit": 1000, "sortByFields": [{"key": "created_at", "direction": "ASCENDING"}]}}).get("runs", [])
    return [r["action"]["id"]["run"]["name"] for r in found]


def run_details(endpoint, run):
    return ok(endpoint, wire.RUNS + "GetRunDetails", {"runId": wire.run_id(run)})["details"]


def outputs(endpoint, run):
    wait_until(lambda: wire.phase(endpoint, run) == "ACTION_PHASE_SUCCEEDED", f"the end of {run}")
    data = ok(endpoint, "/flyteidl2.dataproxy.DataProxyService/GetActionData",
              {"actionId": {"run": wire.run_id(run), "name": "a0"}})
    return {v["name"]: plain(v["value"]) for v in data["outputs"].get("literals", [])}


def plain(literal):
    return next(iter(literal["scalar"]["primitive"].values()))


def slot_of(details):
    return when(details["runSpec"]["runStartTime"])


def when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def slot_name(task, trigger, slot):
    """What Flyte calls the run of a slot: FNV-1 over text, here by its definition."""
    parts = [SCOPE["project"], SCOPE["domain"], task, trigger, slot.year, slot.month, slot.day, slot.hour, slot.minute, slot.second]
    h = 0xcbf29ce484222325
    for b in ":".join(map(str, parts)).encode():
        h = h * 0x100000001b3 % 2**64 ^ b
    return f"r{h:x}"


# ---- the SDK ---------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def deployed(tern, sdk):
    tern.cli("deploy", "triggered.py", "env")
    return "triggered.report"


def test_the_command_line_shows_and_switches_triggers(tern, deployed):
    from flyte.remote import Trigger
    shown = {t.name: t for t in Trigger.listall(task_name=deployed)}
    assert shown.keys() >= {"always", "hourly", "rate", "by-hand"}
    assert not shown["always"].is_active and shown["hourly"].is_active
    hourly = shown["hourly"].automation_spec.schedule.cron
    assert (hourly.expression, hourly.timezone) == ("0 * * * *", "Europe/Berlin")

    def names():
        return {n for n in ("always", "hourly", "made") if n in tern.cli("get", "trigger", deployed).stdout}

    assert names() == {"always", "hourly"}
    assert "every second" in tern.cli("get", "trigger", deployed, "always").stdout
    tern.cli("create", "trigger", deployed, "made", "--schedule", "5 4 * * *", "--trigger-time-var", "when")
    tern.cli("deploy", "triggered.py", "env")  # does not list it, and leaves it alone
    assert names() == {"always", "hourly", "made"}
    tern.cli("delete", "trigger", "made", deployed)
    assert names() == {"always", "hourly"}
    assert tern.cli("get", "trigger", deployed, "made", check=False).returncode != 0


def test_a_schedule_fires_until_it_is_paused(tern, deployed):
    tern.cli("update", "trigger", "always", deployed, "--activate")
    wait_until(lambda: len(runs_of(tern.endpoint, deployed, "always")) >= 3, "three slots")
    tern.cli("update", "trigger", "always", deployed, "--deactivate")
    runs = runs_of(tern.endpoint, deployed, "always")
    seconds = []
    for run in runs:
        d = run_details(tern.endpoint, run)
        slot = slot_of(d)
        seconds.append(int(slot.timestamp()))
        assert run == slot_name(deployed, "always", slot)
        metadata = d["action"]["metadata"]
        assert metadata["source"] == "RUN_SOURCE_SCHEDULE_TRIGGER"
        assert metadata["triggerId"]["name"]["name"] == "always" and int(metadata["triggerId"]["revision"]) >= 2
        assert metadata["triggerType"]["type"] == "TYPE_SCHEDULE"
        assert d["runSpec"]["labels"]["values"] == {"kind": "test"}
    assert seconds == list(range(seconds[0], seconds[0] + len(runs)))
    first = slot_of(run_details(tern.endpoint, runs[0]))
    assert outputs(tern.endpoint, runs[0]) == {"o0": f"{first:%Y-%m-%dT%H:%M:%S} from the trigger 7 always"}
    status = ok(tern.endpoint, TRIGGERS + "GetTriggerDetails", {"name": name_of(deployed, "always")})["trigger"]["status"]
    assert when(status["triggeredAt"]) >= slot_of(run_details(tern.endpoint, runs[-1]))


OVERRIDE = """
import datetime, flyte
from flyte.remote import Trigger
flyte.init_from_config()
r = flyte.run(Trigger.get(name="always", task_name="triggered.report"), when=datetime.datetime(1999, 12, 31), n=1)
print("RUN=" + r.name)
"""


def test_a_trigger_is_started_by_hand(tern, sdk, deployed):
    from flyte.remote import Trigger
    if "Trigger" not in str(inspect.signature(sdk.run)):
        pytest.skip("this SDK runs no triggers")
    r = sdk.run(Trigger.get(name="by-hand", task_name=deployed))
    r.wait(quiet=True)
    assert r.outputs()[0] == "2021-02-03T00:00:00 by hand 7 "
    # To change one input the client reads the others, which needs the keys of a notebook.
    exports = dict(line.removeprefix("export ").split("=", 1) for line in tern.command("env").stdout.splitlines() if "=" in line)
    env = {**os.environ, **{k: v.strip("'\"") for k, v in exports.items()}}
    done = subprocess.run([sys.executable, "-c", OVERRIDE], env=env, capture_output=True, text=True, timeout=60)
    assert "RUN=" in done.stdout, done.stderr
    given = done.stdout.rsplit("RUN=")[1].split()[0]
    assert outputs(tern.endpoint, given) == {"o0": "1999-12-31T00:00:00 from the trigger 1 always"}
    metadata = run_details(tern.endpoint, given)["action"]["metadata"]
    assert metadata["triggerId"]["name"]["name"] == "always" and metadata.get("source") != "RUN_SOURCE_SCHEDULE_TRIGGER"


# ---- plain requests ---------------------------------------------------------------------------------------------------

def echo_spec(*defaults):
    """A task that runs inside the engine and gives its inputs back."""
    types = {"when": "DATETIME", "text": "STRING", "n": "INTEGER"}
    variables = {"variables": [{"key": k, "value": {"type": {"simple": t}}} for k, t in types.items()]}
    spec = wire.task_spec("core-echo", {"inputs": variables, "outputs": variables})
    spec["taskTemplate"]["metadata"] = {"runtime": {"version": "2.12.1"}}
    spec["defaultInputs"] = [{"name": k, "parameter": {"default": v}} for k, v in defaults]
    return spec


def text(value):
    return {"scalar": {"primitive": {"stringValue": value}}}


def number(value):
    return {"scalar": {"primitive": {"integer": str(value)}}}


def cron(expression, kickoff="when", zone=""):
    return {"type": "TYPE_SCHEDULE",
            "schedule": {"cron": {"expression": expression, **({"timezone": zone} if zone else {})}, "kickoffTimeInputArg": kickoff}}


def task_trigger(name, automation=None, active=True, literals=()):
    return {"name": name, "automationSpec": automation or {"type": "TYPE_NONE"},
            "spec": {"active": active, "inputs": {"literals": list(literals), "context": [{"key": "c", "value": "v"}]}}}


def deploy_task(endpoint, task, version, triggers, expect=200):
    a = wire.call(endpoint, TASKS + "DeployTask", {
        "taskId": {**SCOPE, "name": task, "version": version}, "triggers": triggers,
        "spec": echo_spec(("n", number(7)), ("text", text("a default")))})
    assert a.status == expect, a
    return a


def deploy_trigger(endpoint, task, name, automation=None, version="v1", revision=0, **spec):
    return wire.call(endpoint, TRIGGERS + "DeployTrigger", {
        "name": name_of(task, name), "revision": str(revision), "automationSpec": automation,
        "spec": {"active": True, "taskVersion": version, **spec}})


def listed(endpoint, task, **request):
    found = ok(endpoint, TRIGGERS + "ListTriggers", {"taskName": {**SCOPE, "name": task}, "request": request})
    return [t["id"]["name"]["name"] for t in found.get("triggers", [])]


def test_inputs_of_a_fire_and_of_a_run_by_name(tern):
    e, task = tern.endpoint, "echo.inputs"
    deploy_task(e, task, "v1", [task_trigger("t", cron("@every 1s"), literals=[{"name": "text", "value": text("own")}])])
    run = wait_until(lambda: runs_of(e, task, "t"), "a slot")[0]
    ok(e, TRIGGERS + "UpdateTriggers", {"names": [name_of(task, "t")], "active": False})
    slot = slot_of(run_details(e, run))
    assert outputs(e, run) == {"when": f"{slot:%Y-%m-%dT%H:%M:%SZ}", "text": "own", "n": "7"}
    data = ok(e, "/flyteidl2.dataproxy.DataProxyService/GetActionData", {"actionId": {"run": wire.run_id(run), "name": "a0"}})
    assert data["inputs"]["context"] == [{"key": "c", "value": "v"}]

    def by_name(name, **more):
        ok(e, wire.RUNS + "CreateRun", {"runId": wire.run_id(name), "triggerName": name_of(task, "t"), **more})
        return outputs(e, name)

    start = "2031-02-03T04:05:06Z"
    assert by_name("by-name", runStartTime=start) == {"when": start, "text": "own", "n": "7"}
    given = {"literals": [{"name": "n", "value": number(1)}]}
    assert by_name("by-name-given", runStartTime=start, inputs=given) == {"when": start, "text": "own", "n": "1"}
    alone = ok(e, wire.RUNS + "CreateRun", {"runId": wire.run_id("by-name-alone"), "triggerName": {**SCOPE, "name": "t"}})
    assert alone["run"]["action"]["metadata"]["task"]["id"]["name"] == task
    unknown = wire.call(e, wire.RUNS + "CreateRun", {"runId": wire.run_id("x"), "triggerName": name_of(task, "no")})
    assert unknown.code == "not_found" and "no" in unknown.message


def test_a_form_of_a_triggers_inputs(tern):
    e, task = tern.endpoint, "echo.form"
    deploy_task(e, task, "v1", [task_trigger("t", literals=[{"name": "n", "value": number(5)}]), task_trigger("u")])

    def form(trigger, revision="1"):
        variables = {"variables": [{"key": "n", "value": {"type": {"simple": "INTEGER"}}}]}
        return wire.call(e, "/flyteidl2.workflow.TranslatorService/LiteralsToLaunchFormJson", {
            "variables": variables, "triggerId": {"name": name_of(task, trigger), "revision": revision}})

    assert form("t").json["json"]["properties"]["n"]["default"] == 5
    assert form("t", "9").code == form("none").code == "not_found"
    no_inputs = deploy_trigger(e, task, "bare", {"type": "TYPE_NONE"})
    assert no_inputs.status == 200 and form("bare").code == "invalid_argument"


def test_a_new_version_of_an_artifact_starts_its_triggers(tern):
    """Of that project and domain, with the value as an input and what the settings say; once for each version."""
    e, task = tern.endpoint, "echo.artifact"
    deploy_task(e, task, "v1", [])
    waits = {"type": "TYPE_ARTIFACT", "artifact": {"artifactName": "numbers", "inputArg": "n"}}
    others = {**waits, "artifact": {"artifactName": "others", "inputArg": "n"}}
    own = {"literals": [{"name": "when", "value": {"scalar": {"primitive": {"datetime": "2031-02-03T04:05:06Z"}}}}]}
    assert deploy_trigger(e, task, "waits", waits, inputs=own).status == 200
    assert deploy_trigger(e, task, "other", others, inputs=own).status == 200

    def publish(version, value, domain="development"):
        a = wire.call(e, wire.ARTIFACTS + "CreateArtifact", {
            "artifactId": {"name": {**SCOPE, "domain": domain, "name": "numbers"}, "version": version},
            "spec": {"value": number(value), "type": {"simple": "INTEGER"}}})
        assert a.status == 200, a

    publish("v1", 41)
    first, = wait_until(lambda: runs_of(e, task, "waits"), "a run of the artifact")
    assert outputs(e, first)["n"] == "41"
    publish("v1", 41)  # the same again
    publish("v2", 42)
    publish("v3", 43, domain="staging")
    runs = wait_until(lambda: len(runs_of(e, task, "waits")) == 2 and runs_of(e, task, "waits"), "the second run")
    assert outputs(e, runs[1])["n"] == "42"
    metadata = run_details(e, runs[0])["action"]["metadata"]
    assert metadata["source"] == "RUN_SOURCE_ARTIFACT_TRIGGER", metadata
    assert runs_of(e, task, "other") == []


def test_fired_runs_have_the_settings(make_tern):
    server = make_tern().start()
    e, task = server.endpoint, "echo.settings"
    ok(e, "/flyteidl2.settings.SettingsService/CreateSettings", {
        "key": {"domain": "development", "project": "flytesnacks"},
        "settings": {"labels": {"state": "SETTING_STATE_VALUE", "mapValue": {"entries": {"team": "blue"}}}}})
    deploy_task(e, task, "v1", [task_trigger("t", cron("@every 1s"))])
    run = wait_until(lambda: runs_of(e, task, "t"), "a slot")[0]
    assert run_details(e, run)["runSpec"]["labels"]["values"] == {"team": "blue"}


def test_revisions(tern):
    e, task = tern.endpoint, "echo.revisions"
    deploy_task(e, task, "v1", [])
    deploy_task(e, task, "v2", [])
    assert deploy_trigger(e, task, "t", cron("0 0 1 1 *"), description="one").status == 200
    second = deploy_trigger(e, task, "t", cron("0 0 2 2 *"), version="v2", revision=1, description="two")
    assert second.json["trigger"]["id"]["revision"] == "2"
    stale = deploy_trigger(e, task, "t", cron("0 0 3 3 *"), revision=1)
    assert stale.code == "failed_precondition" and "revision" in stale.message
    for active in (False, False, True):
        ok(e, TRIGGERS + "UpdateTriggers", {"names": [name_of(task, "t"), name_of(task, "unknown")], "active": active})
    ok(e, TRIGGERS + "DeleteTriggers", {"names": [name_of(task, "t")]})
    ok(e, TRIGGERS + "DeleteTriggers", {"names": [name_of(task, "t")]})
    assert wire.call(e, TRIGGERS + "GetTriggerDetails", {"name": name_of(task, "t")}).code == "not_found"
    assert listed(e, task) == []
    history = ok(e, TRIGGERS + "GetTriggerRevisionHistory", {"name": name_of(task, "t")})["triggers"]
    assert [(int(r["id"]["revision"]), r["action"].rsplit("_", 1)[1]) for r in history] == [
        (5, "DELETE"), (4, "ACTIVATE"), (3, "DEACTIVATE"), (2, "DEPLOY"), (1, "DEPLOY")]
    times = [when(r["createdAt"]) for r in history]
    assert times == sorted(times, reverse=True) and "deletedAt" in history[0]["status"]

    def revision(n):
        return ok(e, TRIGGERS + "GetTriggerRevisionDetails", {"id": {"name": name_of(task, "t"), "revision": n}})["trigger"]

    assert (revision(1)["description"], revision(1)["spec"]["taskVersion"]) == ("one", "v1")
    assert (revision(2)["description"], revision(2)["spec"]["taskVersion"]) == ("two", "v2")
    assert revision(2)["automationSpec"]["schedule"]["cron"]["expression"] == "0 0 2 2 *"
    assert not revision(3)["spec"].get("active") and revision(4)["spec"]["active"]
    missing = wire.call(e, TRIGGERS + "GetTriggerRevisionDetails", {"id": {"name": name_of(task, "t"), "revision": 9}})
    assert missing.code == "not_found"
    back = deploy_trigger(e, task, "t")
    assert back.json["trigger"]["id"]["revision"] == "6" and back.json["trigger"]["automationSpec"] == {"type": "TYPE_NONE"}
    assert listed(e, task) == ["t"]


RATE = {"value": 1, "unit": "FIXED_RATE_UNIT_MINUTE"}
REFUSED = [
    ("no such day", cron("0 0 30 2 *"), {}, "invalid_argument", "never"),
    ("fields", cron("* * * *"), {}, "invalid_argument", "five"),
    ("value", cron("60 * * * *"), {}, "invalid_argument", "minute"),
    ("zone", cron("* * * * *", zone="Mars/Olympus"), {}, "invalid_argument", "Mars/Olympus"),
    ("prefix", {"type": "TYPE_SCHEDULE", "schedule": {"cronExpression": "TZ=UTC"}}, {}, "invalid_argument", "time zone"),
    ("rate of nothing", {"type": "TYPE_SCHEDULE", "schedule": {"rate": {**RATE, "value": 0}}}, {}, "invalid_argument", "value"),
    ("rate without unit", {"type": "TYPE_SCHEDULE", "schedule": {"rate": {"value": 1}}}, {}, "invalid_argument", "unit"),
    ("rate of an age", {"type": "TYPE_SCHEDULE", "schedule": {"rate": {"value": 4000000000, "unit": "FIXED_RATE_UNIT_DAY"}}}, {},
     "invalid_argument", "ten years"),
    ("kickoff", cron("* * * * *", kickoff="nothing"), {}, "invalid_argument", "nothing"),
    ("artifact input", {"type": "TYPE_ARTIFACT", "artifact": {"artifactName": "m", "inputArg": "nothing"}}, {},
     "invalid_argument", "nothing"),
    ("large", {"type": "TYPE_ARTIFACT", "artifact": {"artifactName": "m", "partitions": {"k": "v" * 2**16}}}, {},
     "invalid_argument", "64 KiB"),
    ("version", None, {"version": "none"}, "not_found", "none"),
    ("inputs elsewhere", None, {"offloadedInputData": {"uri": "s3://elsewhere/x", "inputsHash": "h"}}, "invalid_argument",
     "offloaded_input_data"),
    ("labels", None, {"runSpec": {"labels": {"values": {"k": "v" * 64}}}}, "invalid_argument", "labels"),
]


@pytest.mark.parametrize("automation, more, code, word", [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_is_refused(tern, automation, more, code, word):
    task = "echo.refused"
    deploy_task(tern.endpoint, task, "v1", [])
    a = deploy_trigger(tern.endpoint, task, "t", automation, **more)
    assert a.code == code and word in a.message, a
    assert listed(tern.endpoint, task) == []


def test_deploying_a_task_replaces_its_triggers(tern):
    e, task = tern.endpoint, "echo.deployed"
    yearly = cron("0 0 1 1 *")

    def summary(version):
        details = ok(e, TASKS + "GetTaskDetails", {"taskId": {**SCOPE, "name": task, "version": version}})["details"]
        return details["metadata"].get("triggersSummary")

    deploy_task(e, task, "v1", [task_trigger("a", yearly), task_trigger("b", yearly, active=False)])
    assert deploy_trigger(e, task, "other", yearly).status == 200
    assert sorted(listed(e, task)) == ["a", "b", "other"]
    assert summary("v1") == {"stats": {"total": 3, "active": 2}}
    deploy_task(e, task, "v2", [task_trigger("b", yearly), task_trigger("c")])
    assert sorted(listed(e, task)) == ["b", "c", "other"]
    assert summary("v1") == {"details": {"name": "other", "active": True, "automationSpec": yearly}}
    assert summary("v2") == {"stats": {"total": 2, "active": 2}}
    found = ok(e, TASKS + "ListTasks", {"projectId": {"name": "flytesnacks", "domain": "development"}, "request": {
        "filters": [{"function": "EQUAL", "field": "name", "values": [task]}]}})["tasks"]
    assert found[0]["metadata"]["triggersSummary"] == summary("v2")
    bad = deploy_task(e, task, "v3", [task_trigger("d", cron("x"))], expect=400)
    assert "trigger \"d\"" in bad.message
    bad = deploy_task(e, task, "v3", [task_trigger("d", cron("0 0 1 1 *", kickoff="nothing"))], expect=400)
    assert "has no input" in bad.message
    assert wire.call(e, TASKS + "GetTaskDetails", {"taskId": {**SCOPE, "name": task, "version": "v3"}}).code == "not_found"
    deploy_task(e, task, "v4", [])
    assert listed(e, task) == ["other"] and summary("v2") is None


def test_filters_and_order(tern):
    e, task = tern.endpoint, "echo.filters"
    deploy_task(e, task, "v1", [task_trigger("one", cron("0 0 1 1 *")), task_trigger("two"), task_trigger("three", active=False)])
    artifact = {"type": "TYPE_ARTIFACT", "artifact": {"artifactName": "m", "inputArg": "text"}}
    assert deploy_trigger(e, task, "four", artifact).json["trigger"]["automationSpec"] == artifact

    def by(field, function, *values):
        return sorted(listed(e, task, filters=[{"function": function, "field": field, "values": list(values)}]))

    assert by("name", "EQUAL", "two") == ["two"]
    assert by("active", "EQUAL", "false") == ["three"]
    assert by("automation_type", "EQUAL", "TYPE_SCHEDULE") == ["one"]
    assert by("automation_type", "VALUE_IN", "TYPE_ARTIFACT", "TYPE_SCHEDULE") == ["four", "one"]
    assert by("updated_at", "LESS_THAN", "2020-01-01T00:00:00Z") == []
    assert listed(e, task)[-1] == "three"  # active ones first
    assert listed(e, task, sortByFields=[{"key": "name", "direction": "ASCENDING"}]) == ["four", "one", "three", "two"]
    refused = wire.call(e, TRIGGERS + "ListTriggers", {"org": "x", "request": {"filters": [
        {"function": "EQUAL", "field": "spec", "values": ["x"]}]}})
    assert refused.code == "invalid_argument" and "spec" in refused.message
    first = ok(e, TRIGGERS + "ListTriggers", {"taskName": {**SCOPE, "name": task}, "request": {"limit": 3}})
    assert deploy_trigger(e, task, "five", artifact).status == 200  # before them: what comes next stays where it is
    rest = ok(e, TRIGGERS + "ListTriggers", {"taskName": {**SCOPE, "name": task}, "request": {"limit": 3, "token": first["token"]}})
    assert len(first["triggers"]) == 3 and not rest.get("token")
    assert [t["id"]["name"]["name"] for t in rest["triggers"]] == ["three"]


# ---- servers of its own -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("policy, most", [("all", 5), ("last", 1), ("none", 0)])
def test_slots_of_a_time_without_a_server(make_tern, tmp_path, policy, most):
    clock = WallClock(tmp_path, BINARY)
    server = make_tern(args=["--trigger.catch_up", policy, "--trigger.catch_up_max", "5"], env=clock.env)
    server.start()
    e, task = server.endpoint, "echo.missed"
    deploy_task(e, task, "v1", [task_trigger("t", cron("*/10 * * * *"))])
    server.kill()
    clock.set(3 * 3600)  # 18 slots
    last = (time.time() + 3 * 3600) // 600 * 600
    server.restart()
    # One that is due later than what was missed, so that this has been looked at.
    deploy_task(e, task, "v1", [task_trigger("t", cron("*/10 * * * *")), task_trigger("after", cron("@every 1s"))])
    wait_until(lambda: runs_of(e, task, "after"), "a slot")
    slots = sorted(slot_of(run_details(e, r)) for r in runs_of(e, task, "t"))
    missed = [last - 600 * i for i in range(most)][::-1]
    assert [s.timestamp() for s in slots] in (missed, missed[1:] + [last + 600], missed + [last + 600])
    server.kill()
    clock.set(0)  # back again: what has been fired is not fired again
    server.restart()
    deploy_task(e, task, "v1", [task_trigger("t", cron("*/10 * * * *")), task_trigger("again", cron("@every 1s"))])
    wait_until(lambda: runs_of(e, task, "again"), "a slot")
    assert len(runs_of(e, task, "t")) == len(slots)


def test_killed_while_it_fires(make_tern):
    """kill -9 five times under three schedules: each slot has its run, none has two."""
    server = make_tern()
    server.start()
    e, task = server.endpoint, "echo.killed"
    names = ["a", "b", "c"]
    deploy_task(e, task, "v1", [task_trigger(n, cron("@every 1s")) for n in names])
    for i in range(5):
        wait_until(lambda: len(runs_of(e, task, "a")) > 2 * i, "a slot")
        server.kill()
        server.restart()
    wait_until(lambda: len(runs_of(e, task, "a")) > 12, "the last slots")
    ok(e, TRIGGERS + "UpdateTriggers", {"names": [name_of(task, n) for n in names], "active": False})
    for n in names:
        runs = runs_of(e, task, n)
        slots = sorted(int(slot_of(run_details(e, r)).timestamp()) for r in runs)
        assert slots == list(range(slots[0], slots[0] + len(runs))), n
