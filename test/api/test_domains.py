"""Domains and projects: made, changed, archived, listed."""
import re

import basic
import pytest
import wire
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyte.remote import Project, Settings
from flyteidl2.org import domain_service_pb2 as rpc
from flyteidl2.org.domain_service_connect import DomainServiceClientSync

OURS = [("development", "Development"), ("production", "Production"), ("staging", "Staging")]


@pytest.fixture(scope="module")
def service(tern):
    return DomainServiceClientSync(f"http://{tern.endpoint}")


def listed(service):
    return [(d.id, d.friendly_name) for d in service.list_domains(rpc.ListDomainsRequest(org="acme")).domains]


def of_project(service, name="flytesnacks"):
    return [(d.id, d.name) for d in Project.get(name).pb2.domains]


def code_of(call, *args):
    with pytest.raises(ConnectError) as e:
        call(*args)
    return e.value.code, e.value.message


# ---- domains -----------------------------------------------------------------------------------------------------------


def test_a_domain_is_made_renamed_and_deleted(sdk, service):
    assert listed(service) == of_project(service) == OURS
    made = service.create_domain(rpc.CreateDomainRequest(org="acme", id="qa", friendly_name="Tests")).domain
    assert (made.id, made.org, made.friendly_name, made.created_at.seconds > 0) == ("qa", "acme", "Tests", True)
    assert service.get_domain(rpc.GetDomainRequest(org="acme", id="qa")).domain == made
    assert listed(service) == of_project(service) == [*OURS, ("qa", "Tests")]
    assert code_of(service.create_domain, rpc.CreateDomainRequest(org="acme", id="qa"))[0] == Code.ALREADY_EXISTS
    renamed = service.update_domain(rpc.UpdateDomainRequest(org="acme", id="qa", friendly_name="QA")).domain
    assert renamed.friendly_name == "QA" and listed(service)[-1] == ("qa", "QA")
    service.update_domain(rpc.UpdateDomainRequest(org="acme", id="qa"))
    assert listed(service)[-1] == ("qa", "qa")
    service.delete_domain(rpc.DeleteDomainRequest(org="acme", id="qa"))
    assert listed(service) == of_project(service) == OURS
    for call, request in [(service.get_domain, rpc.GetDomainRequest(org="a", id="qa")),
                          (service.update_domain, rpc.UpdateDomainRequest(org="a", id="qa")),
                          (service.delete_domain, rpc.DeleteDomainRequest(org="a", id="qa"))]:
        assert code_of(call, request) == (Code.NOT_FOUND, "domain not found: qa")


@pytest.mark.parametrize("bad", ["", "Upper", "-x", "a b", "x" * 64])
def test_names_of_domains_are_checked(service, bad):
    assert code_of(service.create_domain, rpc.CreateDomainRequest(org="acme", id=bad))[0] == Code.INVALID_ARGUMENT


def test_a_domain_in_use_stays(sdk, service, cli, tern):
    delete = lambda: service.delete_domain(rpc.DeleteDomainRequest(org="acme", id="used"))
    service.create_domain(rpc.CreateDomainRequest(org="acme", id="used"))
    settings = Settings.get_settings_for_edit(domain="used")
    settings.update_settings({"run.default_queue": "a"})
    assert code_of(delete) == (Code.FAILED_PRECONDITION, "domain used has settings: it is deleted when it has none")
    settings.update_settings({})
    cli("create", "secret", "--domain", "used", "held", "--value", "x")
    assert code_of(delete) == (Code.FAILED_PRECONDITION, "domain used has secrets: it is deleted when it has none")
    cli("delete", "secret", "--domain", "used", "held")
    made = {"artifactId": {"name": {"project": "flytesnacks", "domain": "used", "name": "model"}, "version": "1"}}
    spec = {"value": {"scalar": {"blob": {"uri": "s3://tern/x/y/z"}}}, "type": {"blob": {}}}
    assert wire.call(tern.endpoint, wire.ARTIFACTS + "CreateArtifact", {**made, "spec": spec}).status == 200
    assert code_of(delete) == (Code.FAILED_PRECONDITION, "domain used has artifacts: it is deleted when it has none")
    assert wire.call(tern.endpoint, wire.ARTIFACTS + "DeleteArtifact", made).status == 200
    sdk.with_runcontext(domain="used").run(basic.add, a=1, b=2).wait(quiet=True)
    assert code_of(delete) == (Code.FAILED_PRECONDITION, "domain used has runs: it is deleted when it has none")


def test_domains_outlive_a_restart_and_seeds_are_for_new_folders(make_tern):
    server = make_tern(args=["--domains.seed", "one,two"]).start()
    service = DomainServiceClientSync(f"http://{server.endpoint}")
    assert listed(service) == [("one", "One"), ("two", "Two")]
    service.delete_domain(rpc.DeleteDomainRequest(org="acme", id="one"))
    server.terminate()
    server.restart()
    assert listed(service) == [("two", "Two")]


# ---- projects ----------------------------------------------------------------------------------------------------------


def test_an_archived_project_takes_no_new_runs(sdk, cli, tern):
    cli("create", "project", "--id", "old", "--name", "Old", "--label", "team=ml")
    before = sdk.with_runcontext(project="old").run(basic.add, a=1, b=2)
    before.wait(quiet=True)
    cli("update", "project", "old", "--archive")
    assert "old" not in [p.pb2.id for p in Project.listall()]
    assert [p.pb2.id for p in Project.listall(archived=True)] == ["old"]
    refused = cli("run", "--project", "old", "--follow", "basic.py", "main", "--n", "1", check=False)
    assert refused.returncode != 0
    said = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", refused.stdout + refused.stderr)
    assert 'project "old" is archived and takes no new runs' in " ".join(said.split())
    answer = wire.create_run(tern.endpoint, {**wire.sleeper("refused", 0), "runId": {**wire.run_id("refused"), "project": "old"}})
    assert (answer.code, "--unarchive" in answer.message) == ("failed_precondition", True)
    assert before.name in cli("get", "run", "--project", "old").stdout
    assert before.outputs()[0] == 3
    cli("update", "project", "old", "--unarchive")
    assert Project.get("old").pb2.labels.values["team"] == "ml"
    again = sdk.with_runcontext(project="old").run(basic.add, a=1, b=2)
    again.wait(quiet=True)
    assert again.outputs()[0] == 3


def test_what_runs_in_a_project_goes_on_when_it_is_archived(tern):
    assert wire.create_project(tern.endpoint, "going").status == 200
    run = {**wire.run_id("going1"), "project": "going"}
    assert wire.create_run(tern.endpoint, {**wire.sleeper("going1"), "runId": run}).status == 200
    update = {"project": {"id": "going", "state": "PROJECT_STATE_ARCHIVED"}}
    assert wire.call(tern.endpoint, wire.PROJECTS + "UpdateProject", update).status == 200
    child = wire.child("going1", "c1", "a0", "s3://tern/going/development/going1/inputs/inputs.pb", "c")
    child["action"]["actionId"]["run"] = run
    answer = wire.call(tern.endpoint, "/flyteidl2.actions.ActionsService/Enqueue", child)
    assert answer.status == 200, answer
    assert wire.call(tern.endpoint, wire.RUNS + "AbortRun", {"runId": run}).status == 200


@pytest.mark.parametrize("filters, expected", [
    ("eq(identifier,f1)", ["f1"]), ("ne(state,1)+contains(identifier,f)+contains(description,even)", ["f2"]),
    ("value_in(identifier,f1;f3)", ["f1", "f3"]), ("eq(name,Third)", ["f3"]), ("contains(labels,quality)", ["f1"]),
    ("ne(labels,none)+value_in(identifier,f1;f2)", ["f1", "f2"]),
])
def test_projects_are_filtered(sdk, filters, expected):
    existing = {p.pb2.id for p in Project.listall()}
    for name, project in [("f1", {"name": "First", "labels": {"quality": "x"}}), ("f2", {"name": "Second", "description": "even"}),
                          ("f3", {"name": "Third"})]:
        if name not in existing:
            Project.create(name, **project)
    assert [p.pb2.id for p in Project.listall(filters=filters, sort_by=("identifier", "asc"))] == expected
    assert [p.pb2.id for p in Project.listall(filters=filters, sort_by=("identifier", "desc"))] == expected[::-1]


def test_projects_are_sorted(tern, sdk):
    """By any field, also one that a project may lack."""
    for name in ("s1", "s2", "s3"):
        Project.create(name, name="same", **({"labels": {"of": name}} if name != "s2" else {}))

    def listed(key, direction):
        found, token = [], ""
        while True:
            told = wire.call(tern.endpoint, wire.PROJECTS + "ListProjects", {
                "limit": 1, "token": token, "filters": "eq(name,same)", "sortBy": {"key": key, "direction": direction}}).json["projects"]
            found += [p["id"] for p in told["projects"]]
            if not (token := told.get("token")):
                return found
    for key in ("identifier", "name", "description", "state", "created_at", "updated_at"):
        assert listed(key, "ASCENDING") == ["s1", "s2", "s3"]
        assert listed(key, "DESCENDING") == ["s3", "s2", "s1"]
    assert listed("labels", "ASCENDING") == ["s2", "s1", "s3"]
