"""The registry of tasks: what a deployment keeps, what doing it again changes, and what lists of tasks are filtered by."""
import os
import random

import harness
import pytest
import wire
from test_listing import MANY, NUMBER, ONE, TEXT, TEXTS, TIME, Rows, as_text, holds
from test_triggers import cron, task_trigger

TASKS = "/flyteidl2.task.TaskService/"
TRIGGERS = "/flyteidl2.trigger.TriggerService/"
SCOPE = {"project": "registry", "domain": "development"}
BEA = {"X-Forwarded-User": "bea@idp", "X-Forwarded-Preferred-Username": "Bea"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Takes this account for a proxy's, so that others may deploy too."""
    one = harness.Tern(tmp_path_factory.mktemp("tasks") / "tern", args=["--auth.trusted_proxies", os.getuid()]).start()
    assert wire.create_project(one.endpoint, "registry").status == 200
    yield one
    one.finish()


def ask(server, path, message, code=None, **options):
    answer = wire.call(server.endpoint, path, message, **options)
    assert answer.code == code, answer
    return answer.json


def task_id(name, version="v1"):
    return {**SCOPE, "name": name, "version": version}


def spec_of(name, version="v1", environment="env", metadata=None, **more):
    spec = wire.task_spec("core-echo")
    spec["taskTemplate"].update(id={"resourceType": "TASK", **task_id(name, version)}, metadata=metadata or {})
    return {**spec, "environment": {"name": environment}, **more}


def deploy(server, name, version="v1", triggers=(), headers=None, **more):
    ask(server, TASKS + "DeployTask", {"taskId": task_id(name, version), "spec": spec_of(name, version, **more),
                                       "triggers": list(triggers)}, headers=headers)


def details(server, name, version="v1"):
    return ask(server, TASKS + "GetTaskDetails", {"taskId": task_id(name, version)})["details"]


def listed(server, *known, **request):
    return ask(server, TASKS + "ListTasks", {"projectId": {"name": "registry", "domain": "development"},
                                             "knownFilters": list(known), "request": {"limit": 1000, **request}}).get("tasks", [])


def equal(field, value):
    return {"field": field, "function": "EQUAL", "values": [value]}


def listed_one(server, name):
    one, = listed(server, filters=[equal("name", name)])
    return one


def names(tasks):
    return [t["taskId"]["name"] for t in tasks]


# ---- what is kept -----------------------------------------------------------------------------------------------------


def documented(name, description, brief, whole):
    return {"taskId": task_id(name), "spec": {
        **spec_of(name), "environment": {"name": "env", "description": description},
        "documentation": {"shortDescription": brief, "longDescription": whole, "sourceCode": {"link": "https://example.org"}}}}


def cut(text, most):
    return text.encode()[:most].decode(errors="ignore")


def test_texts_are_cut_between_characters(server):
    """At 255 bytes, or 2048 for the long one; what fits is kept whole."""
    short, long = "x" + "ü" * 127, "€" * 682 + "yz"
    assert (len(short.encode()), len(long.encode())) == (255, 2048)
    texts = {"fits": (short, short, long), "two": ("ü" * 200, "a" + "€" * 100, "€" * 700), "four": ("🏴" * 64, "🏴" * 70, "🏴" * 513)}
    for name, (description, brief, whole) in texts.items():
        trigger = task_trigger("t")
        trigger["spec"]["description"] = description
        ask(server, TASKS + "DeployTask", {**documented(f"env.{name}", description, brief, whole), "triggers": [trigger]})
        told = details(server, f"env.{name}")
        assert told["spec"]["environment"] == {"name": "env", "description": cut(description, 255)}
        assert told["spec"]["documentation"] == {"shortDescription": cut(brief, 255), "longDescription": cut(whole, 2048),
                                                 "sourceCode": {"link": "https://example.org"}}
        assert told["metadata"]["shortDescription"] == cut(brief, 255)
        assert listed_one(server, f"env.{name}")["metadata"] == told["metadata"]
        kept = ask(server, TRIGGERS + "GetTriggerDetails", {"name": {**SCOPE, "taskName": f"env.{name}", "name": "t"}})["trigger"]
        assert kept["spec"]["description"] == cut(description, 255)


def test_texts_of_more_characters_are_refused(server):
    for field, texts in (("environment.description", ("x" * 256, "", "")), ("short_description", ("", "ü" * 256, "")),
                         ("long_description", ("", "", "x" * 2049))):
        assert field in ask(server, TASKS + "DeployTask", documented("env.longer", *texts), code="invalid_argument")["message"]


@pytest.mark.parametrize("name, environment, function", [
    ("env.fn", "env", "fn"), ("my.env.fn", "my.env", "fn"), ("my.env.inner.fn", "my.env", "inner.fn"),
    ("environment.fn", "env", "fn"), ("plain", "env", "plain")])
def test_names_of_function_and_environment(server, name, environment, function):
    deploy(server, name, environment=environment, headers=BEA)
    told = details(server, name)
    assert told["taskId"] == task_id(name)
    assert told["metadata"]["shortName"] == function and told["metadata"]["environmentName"] == environment
    assert told["metadata"]["deployedBy"]["user"]["id"] == {"subject": "bea@idp"}
    assert told["spec"]["taskTemplate"]["id"]["name"] == name


def test_what_is_refused(server):
    spec = spec_of("env.refused")
    for message, code, word in (({"taskId": {**task_id("env.refused"), "project": "nowhere"}, "spec": spec}, "not_found", "nowhere"),
                                ({"taskId": task_id("env.refused")}, "invalid_argument", "spec"),
                                ({"taskId": task_id("env.refused"), "spec": spec, "triggers": [task_trigger("t", cron("61 * * * *"))]},
                                 "invalid_argument", "t")):
        assert word in ask(server, TASKS + "DeployTask", message, code=code)["message"]
    ask(server, TASKS + "GetTaskDetails", {"taskId": task_id("env.refused")}, code="not_found")
    assert listed(server, filters=[equal("name", "env.refused")]) == []


# ---- doing it again ---------------------------------------------------------------------------------------------------


def test_the_same_again_changes_nothing(server):
    """Also by somebody else, and also if a newer version has come meanwhile."""
    deploy(server, "env.same", triggers=[task_trigger("t")])
    before, row = details(server, "env.same"), listed_one(server, "env.same")
    name = Rows(server).one("task_name", "name='env.same'")
    updated = as_text(TIME, Rows(server).one("task", f"task_name_id={name['id']}")["updated_ns"])
    deploy(server, "env.same", triggers=[task_trigger("t")], headers=BEA)
    assert details(server, "env.same") == before and listed_one(server, "env.same") == row
    assert names(listed(server, filters=[equal("name", "env.same"), equal("updated_at", updated)])) == ["env.same"]
    deploy(server, "env.same", "v2")
    deploy(server, "env.same")
    assert listed_one(server, "env.same")["taskId"]["version"] == "v2"
    versions = ask(server, TASKS + "ListVersions", {"taskName": {**SCOPE, "name": "env.same"}})["versions"]
    assert [v["version"] for v in versions] == ["v2", "v1"]
    assert versions[1]["deployedAt"] == before["metadata"]["deployedAt"]
    assert "env.same" not in "".join(line for line in server.log.read_text().splitlines() if "other content" in line)


def test_other_content_replaces_a_version_with_a_warning(server):
    """What has run keeps what it had; what runs from now on has the new content."""
    def run(name):
        ask(server, wire.RUNS + "CreateRun", {"runId": {**wire.run_id(name), "project": "registry"}, "taskId": task_id("env.changed")})
        return wire.details(server.endpoint, name, project="registry")["action"]["task"]["taskTemplate"]["metadata"]
    deploy(server, "env.changed", metadata={"discoveryVersion": "one"})
    before = details(server, "env.changed")
    assert run("changed1")["discoveryVersion"] == "one"
    deploy(server, "env.changed", metadata={"discoveryVersion": "two"}, headers=BEA)
    after = details(server, "env.changed")
    assert after["spec"]["taskTemplate"]["metadata"]["discoveryVersion"] == "two"
    assert after["metadata"]["deployedAt"] == before["metadata"]["deployedAt"]
    assert after["metadata"]["deployedBy"]["user"]["id"] == {"subject": "bea@idp"} != before["metadata"]["deployedBy"]["user"]["id"]
    assert run("changed2")["discoveryVersion"] == "two"
    first = wire.details(server.endpoint, "changed1", project="registry")
    assert first["action"]["task"]["taskTemplate"]["metadata"]["discoveryVersion"] == "one"
    warning, = [line for line in server.log.read_text().splitlines() if "other content" in line and "env.changed" in line]
    assert "WARN" in warning and "version=v1" in warning and "bea@idp" in warning


def test_a_deployment_prunes_what_deployments_made(server):
    """Of the task, whatever the version; a trigger that was made by itself stays, and is counted."""
    def of_task():
        rows = ask(server, TRIGGERS + "ListTriggers", {"taskName": {**SCOPE, "name": "env.pruned"}}).get("triggers", [])
        return sorted(t["id"]["name"]["name"] for t in rows)

    def summary(version="v1"):
        return details(server, "env.pruned", version)["metadata"].get("triggersSummary")
    deploy(server, "env.pruned", triggers=[task_trigger("a"), task_trigger("b", active=False)])
    assert summary() == {"stats": {"total": 2, "active": 1}}
    ask(server, TRIGGERS + "DeployTrigger", {"name": {**SCOPE, "taskName": "env.pruned", "name": "own"}, "automationSpec": {"type": "TYPE_NONE"},
                                             "spec": {"active": True, "taskVersion": "v1"}})
    assert of_task() == ["a", "b", "own"] and summary() == {"stats": {"total": 3, "active": 2}}
    deploy(server, "env.pruned", triggers=[task_trigger("b")])
    assert of_task() == ["b", "own"] and summary() == {"stats": {"total": 2, "active": 2}}
    for _ in range(2):
        deploy(server, "env.pruned")
        assert of_task() == ["own"] and summary()["details"]["name"] == "own" and summary()["details"]["active"] is True
    deploy(server, "env.pruned", "v2", triggers=[task_trigger("c")])
    assert of_task() == ["c", "own"] and summary("v2")["details"]["name"] == "c" and summary()["details"]["name"] == "own"
    assert sum("other content" in line and "env.pruned" in line for line in server.log.read_text().splitlines()) == 0


# ---- lists ------------------------------------------------------------------------------------------------------------

BOOL = "bool"
FIELDS = {"project": TEXT, "domain": TEXT, "name": TEXT, "version": TEXT, "environment": TEXT, "function_name": TEXT, "deployed_by": TEXT,
          "created_at": TIME, "updated_at": TIME, "trigger_name": TEXT, "total_triggers": NUMBER, "active_triggers": NUMBER,
          "env_description": TEXT, "short_description": TEXT, "is_entrypoint": BOOL}


@pytest.fixture(scope="module")
def versions(server):
    """A dozen versions of six tasks in a domain of their own, as rows of the model."""
    rng = random.Random(7)
    for i in range(12):
        task = {**SCOPE, "domain": "staging", "name": f"env{i % 2}.task{i % 6}", "version": f"v{i // 6}"}
        spec = spec_of(task["name"], task["version"], metadata={"isEntrypoint": rng.random() < 0.5})
        spec["taskTemplate"]["id"].update(domain="staging")
        spec["environment"] = {"name": f"env{i % 2}", "description": rng.choice(("", "First words", "other words"))}
        spec["documentation"] = {"shortDescription": rng.choice(("Does", "does not", ""))}
        triggers = [task_trigger(f"t{k}", active=rng.random() < 0.5) for k in range(rng.choice((0, 1, 2)))]
        ask(server, TASKS + "DeployTask", {"taskId": task, "spec": spec, "triggers": triggers}, headers=rng.choice((BEA, {})))
    rows = Rows(server)
    tasks, people = rows.by_id("task_name"), rows.by_id("identity")
    return [{"project": name["project"], "domain": name["domain"], "name": name["name"], "version": r["version"],
             "environment": r["environment"], "function_name": r["function_name"], "deployed_by": people[r["deployed_by"]]["subject"],
             "created_at": r["created_ns"], "updated_at": r["updated_ns"], "trigger_name": r["trigger_name"],
             "total_triggers": r["trigger_total"], "active_triggers": r["trigger_active"], "env_description": r["env_description"],
             "short_description": r["short_description"], "is_entrypoint": bool(r["entrypoint"])}
            for r in rows.by_id("task").values() if (name := tasks[r["task_name_id"]])["domain"] == "staging"]


def newest(rows):
    """Of each name, newest first."""
    found = {}
    for r in sorted(rows, key=lambda r: r["created_at"]):
        found[r["name"]] = r
    return sorted(found.values(), key=lambda r: -r["created_at"])


def staged(server, *known, **request):
    told = ask(server, TASKS + "ListTasks", {"projectId": {"name": "registry", "domain": "staging"}, "knownFilters": list(known),
                                             "request": {"limit": 1000, **request}})
    return [(t["taskId"]["name"], t["taskId"]["version"]) for t in told.get("tasks", [])], told.get("metadata", {}).get("filteredTotal", 0)


def key(rows):
    return [(r["name"], r["version"]) for r in rows]


def test_tasks_by_every_field(server, versions):
    """Filters choose among versions, before the newest of each name."""
    assert len(versions) == 12 and len({r["is_entrypoint"] for r in versions}) == len({r["deployed_by"] for r in versions}) == 2
    assert staged(server) == (key(newest(versions)), 6)
    for field, kind in FIELDS.items():
        functions = [*ONE, *MANY, "EXISTS", "NOT_EXISTS"] if kind != BOOL else ["EQUAL", "NOT_EQUAL"]
        for function in functions + (list(TEXTS) if kind == TEXT else []):
            for value in {r[field] for r in versions if r[field] is not None}:
                text = str(value).lower() if kind == BOOL else as_text(kind, value)
                f = {"field": field, "function": function, "values": [] if "EXISTS" in function else [text], "plain": [value]}
                wanted = key(newest([r for r in versions if holds(f, r)]))
                asked = {k: v for k, v in f.items() if k != "plain"}
                assert staged(server, filters=[asked]) == (wanted, len(wanted)), asked


def test_tasks_by_known_filters(server, versions):
    for known, keep in (({"isEntrypoint": True}, lambda r: r["is_entrypoint"]), ({"isEntrypoint": False}, lambda r: not r["is_entrypoint"]),
                        ({"deployedBy": "bea@idp"}, lambda r: r["deployed_by"] == "bea@idp"), ({"deployedBy": "nobody"}, lambda r: False)):
        assert staged(server, known)[0] == key(newest([r for r in versions if keep(r)])), known
    both = [r for r in versions if r["is_entrypoint"] and r["deployed_by"] == "bea@idp"]
    assert staged(server, {"isEntrypoint": True}, {"deployedBy": "bea@idp"})[0] == key(newest(both))


def test_tasks_in_every_order(server, versions):
    """One that has nothing there is before all others; equal ones are in the order of deployment."""
    for field, kind in FIELDS.items():
        for direction in ("ASCENDING", "DESCENDING"):
            down = direction == "DESCENDING"
            rows = sorted(newest(versions), key=lambda r: ((r[field] or ("" if kind == TEXT else 0)), r["created_at"]), reverse=down)
            assert staged(server, sortByFields=[{"key": field, "direction": direction}])[0] == key(rows), (field, direction)
