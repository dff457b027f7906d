"""Artifacts as the SDK and the CLI publish, find and use them; and what no SDK would send."""
import datetime

import pytest
import wire
from flyteidl2.artifact import artifact_pb2
from google.protobuf import json_format

import artifacts as program
import flyte
import flyte.artifacts
import flyte.io
import flyte.remote
from test_retention import MOMENT, gc, objects, restart_with

SCOPE = {"project": "flytesnacks", "domain": "development"}
PROJECT_ID = {"name": "flytesnacks", "domain": "development"}
TYPE = {"blob": {}}
needs_partitions = pytest.mark.skipif(not program.HAVE_PARTITIONS, reason="artifacts of this SDK have no partitions")


def call(tern, rpc, message):
    return wire.call(tern.endpoint, wire.ARTIFACTS + rpc, message)


def create(tern, name, version, uri="s3://tern/x/y/z", **spec):
    return call(tern, "CreateArtifact", {
        "artifactId": {"name": {**SCOPE, "name": name}, "version": version},
        "spec": {"value": {"scalar": {"blob": {"uri": uri}}}, "type": TYPE, **spec}})


def local_file(tmp_path, text):
    path = tmp_path / "given.txt"
    path.write_text(text)
    return flyte.io.File.from_local_sync(str(path))


# ---- from the client's machine ----------------------------------------------------------------------------------------


def test_published_found_and_used(sdk, run, tmp_path):
    made = flyte.remote.Artifact.create(local_file(tmp_path, "hello"), name="given", version="1", description="a file",
                                        attrs={"team/size": "small"}, kind="data", external_ref="hf://one")
    assert made.version == "1" and made.kind == "data" and made.source == "hf://one"
    assert made.created_by and made.pb2.created_at.seconds
    assert made.pb2.spec.value.artifact_id == made.artifact_version_id
    again = flyte.remote.Artifact.get("given")
    assert again.pb2 == made.pb2 == flyte.remote.Artifact.get("given", version="1").pb2
    found = list(flyte.remote.Artifact.listall("given", attrs={"team/size": ["large", "small"]}, kind="data",
                                               source_external_ref="hf://one"))
    assert [a.pb2 for a in found] == [made.pb2]
    assert not list(flyte.remote.Artifact.listall("given", attrs={"team/size": "large"}))
    assert not list(flyte.remote.Artifact.listall("given", created_after=datetime.datetime.now(datetime.timezone.utc)))
    r = run(program.reads, file=made)
    assert r.outputs()[0] == "hello"


@needs_partitions
def test_published_with_partitions_and_parents(sdk, tmp_path):
    made = flyte.remote.Artifact.create(local_file(tmp_path, "part"), name="part", version="1", attrs={"size": "small"},
                                        partitions={"day": datetime.date(2026, 8, 1), "region": "eu"}, parents=["0"])
    assert made.partitions == {"day": datetime.date(2026, 8, 1), "region": "eu"}
    assert made.pb2.spec.parent_artifacts[0].key.name == "part"
    found = list(flyte.remote.Artifact.listall("part", attrs={"size": "small"}, region="eu", day="2026-08-01"))
    assert [a.pb2 for a in found] == [made.pb2]
    assert not list(flyte.remote.Artifact.listall("part", attrs={"size": "small"}, region="us", day="2026-08-01"))


def test_the_newest_is_the_latest(sdk, tmp_path):
    file = local_file(tmp_path, "latest")
    for version in ("b", "a", "c"):
        flyte.remote.Artifact.create(file, name="versions", version=version)
    assert flyte.remote.Artifact.get("versions").version == "c"
    assert [a.version for a in flyte.remote.Artifact.listall("versions")] == ["c", "a", "b"]
    group = next(iter(flyte.remote.Artifact.list_names(search="version")))
    assert (group.name, group.versions, group.latest.version) == ("versions", 3, "c")


def test_the_same_again_and_something_else(sdk, tmp_path):
    first = flyte.remote.Artifact.create(local_file(tmp_path, "same"), name="same", version="1")
    assert flyte.remote.Artifact.create(local_file(tmp_path, "same"), name="same", version="1").pb2 == first.pb2
    with pytest.raises(Exception, match="other content"):
        flyte.remote.Artifact.create(local_file(tmp_path, "same"), name="same", version="1", description="new")
    assert flyte.remote.Artifact.get("same").pb2 == first.pb2


@needs_partitions
def test_partitions(sdk, tmp_path):
    make, file = flyte.remote.Artifact.create, local_file(tmp_path, "parts")
    for day in (1, 2, 3):
        for region in ("eu", "us"):
            for version in ("old", "new"):
                make(file, name="parts", version=f"{day}-{region}-{version}",
                     partitions={"date": datetime.date(2026, 9, day), "region": region})
    get = flyte.remote.Artifact
    assert get.get("parts", date=datetime.date(2026, 9, 2), region="eu").version == "2-eu-new"
    assert [a.version for a in get.listall("parts", latest_per_partition=True)] == [
        f"{d}-{r}-new" for d in (3, 2, 1) for r in ("us", "eu")]
    between = get.listall("parts", date=("2026-09-02", "2026-09-03"), region=["us", "asia"])
    assert [a.version for a in between] == ["3-us-new", "3-us-old", "2-us-new", "2-us-old"]
    assert get.partition_values("parts", "region") == ["eu", "us"]
    assert get.partition_values("parts", "date", region="eu") == [datetime.date(2026, 9, d) for d in (1, 2, 3)]
    assert get.partition_values("parts", "region", date=datetime.date(2026, 9, 9)) == []
    schema = get.get_schema("parts")
    assert (schema.time_key, schema.granularity, schema.keys, schema.declared) == ("date", "day", ("region",), False)
    group = next(iter(get.list_names(search="parts")))
    assert group.latest_time_partition == datetime.date(2026, 9, 3) and group.partition_schema.keys == ("region",)
    assert sorted(p.value["region"].static_value for p in group.pb2.latest_partitions) == ["eu", "us"]
    make(file, name="whole", version="1")
    assert next(iter(get.list_names(search="whole"))).partition_schema is None
    odd = make(file, name="parts", version="odd", partitions={"date": datetime.date(2026, 9, 1)})
    assert odd.pb2.partition_schema_mismatch.message == "partitions: date (day); those of the artifact are: date (day), region"
    assert get.get("parts", version="odd").pb2.partition_schema_mismatch.expected.partition_keys == ["region"]


def test_a_group_shows_the_partitions_of_its_latest_time(tern):
    def made(name, version, day, key="date", **texts):
        told = create(tern, name, version, timePartition={"value": {"timeValue": day + "T00:00:00Z"}, "key": key},
                      partitions={"value": {k: {"staticValue": v} for k, v in texts.items()}})
        assert told.status == 200, told

    def shown(name):
        told = call(tern, "ListArtifactNames", {"projectId": PROJECT_ID, "request": {
            "filters": [{"field": "name", "function": "EQUAL", "values": [name]}]}}).json["groups"][0]
        return told["latestTimePartition"], [{k: v["staticValue"] for k, v in p["value"].items()}
                                             for p in told.get("latestPartitions", [])]
    made("latest.a", "1", "2026-01-01", region="eu", size="s")
    made("latest.a", "2", "2026-01-02", region="eu", size="s")
    made("latest.a", "3", "2026-01-02", region="eu", size="s")
    made("latest.a", "4", "2026-01-02", region="us", size="2026-01-02T00:00:00Z")
    made("latest.a", "5", "2026-01-02", "moment", region="asia")  # other keys than the artifact's
    made("latest.a", "6", "2026-01-02")
    assert shown("latest.a") == ("2026-01-02T00:00:00Z", [
        {"region": "asia"}, {"region": "us", "size": "2026-01-02T00:00:00Z"}, {"region": "eu", "size": "s"}])
    made("latest.b", "1", "1970-01-01")
    assert shown("latest.b") == ("1970-01-01T00:00:00Z", [])


@needs_partitions
def test_declared(sdk, tmp_path):
    get = flyte.remote.Artifact
    with pytest.raises(Exception, match="not found"):
        get.get_schema("declared")
    for _ in range(2):
        declared = get.declare("declared", {"hour": datetime.datetime, "region": str, "kind": str})
        assert declared == get.get_schema("declared") and declared.declared and declared.keys == ("region", "kind")
    with pytest.raises(Exception, match="other ones need another name"):
        get.declare("declared", {"date": datetime.date})
    assert not [g for g in get.list_names(search="declared")]
    with pytest.raises(Exception, match="not found"):
        get.get("declared")
    when = datetime.datetime(2026, 9, 17, 13, 59, tzinfo=datetime.timezone.utc)
    a = get.create(local_file(tmp_path, "d"), name="declared", partitions={"hour": when, "kind": "k", "region": "eu"})
    assert not a.pb2.HasField("partition_schema_mismatch") and a.partitions["hour"] == when.replace(minute=0)


@needs_partitions
@pytest.mark.parametrize("granularity", ["hour", "day", "week", "month"])
def test_a_time_is_the_beginning_of_its_partition(sdk, tern, granularity):
    """The client rounds down, and so does the server, as the client does it."""
    for text in ("2024-02-29T23:59:59", "1999-12-31T01:02:03", "1969-12-28T12:00:00"):
        when = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
        _, asked = flyte.artifacts._partitions.partitions_to_pb2({"t": flyte.artifacts.TimePartition(when, granularity)})
        sent = artifact_pb2.ArtifactSpec(time_partition=asked)
        sent.time_partition.value.time_value.FromDatetime(when)
        told = create(tern, f"round-{granularity}", text.replace(":", "-"), **json_format.MessageToDict(sent))
        assert told.status == 200, told
        stored = json_format.ParseDict(told.json["artifact"], artifact_pb2.Artifact())
        assert stored.spec.time_partition == asked


def test_cli(sdk, tern, tmp_path):
    (tmp_path / "card.html").write_text("<h1>a model</h1>")
    (tmp_path / "model.bin").write_text("weights")
    cli = lambda *args: tern.cli(*args, cwd=tmp_path).stdout  # noqa: E731
    cli("create", "artifact", "by-cli", "--from-file", "model.bin", "--kind", "model", "--attr", "a=b", "--version", "1",
        "--card", "card.html")
    assert "by-cli" in cli("get", "artifact") and "by-cli" in cli("get", "artifact", "--search", "y-cl")
    assert "by-cli" in cli("get", "artifact", "by-cli", "--kind", "model", "--attr", "a=b")
    assert "by-cli" not in cli("get", "artifact", "by-cli", "--kind", "data")
    assert "userMetadata" in cli("get", "artifact", "by-cli", "1")


@needs_partitions
def test_cli_with_partitions(sdk, tern, tmp_path):
    (tmp_path / "model.bin").write_text("weights")
    for month in (8, 9):
        tern.cli("create", "artifact", "monthly", "--from-file", "model.bin", "--kind", "model", "--version", month,
                 "--partition", f"date=2026-0{month}-01", cwd=tmp_path)
    in_august = tern.cli("-of", "json", "get", "artifact", "monthly", "--latest-per-partition",
                         "--partition", "date=2026-08-01..2026-08-31").stdout
    assert "2026-08-01" in in_august and "2026-09-01" not in in_august


# ---- from tasks -------------------------------------------------------------------------------------------------------


def test_outputs_become_artifacts(sdk, run):
    r = run(program.makes, name="made", text="by a task")
    a = flyte.remote.Artifact.get("made")
    assert a.version == f"{r.name}-a0-1" and a.kind == "model" and a.pb2.spec.info.description == "made by a task"
    assert not program.HAVE_PARTITIONS or a.partitions == {"date": datetime.date(2026, 8, 1), "region": "eu"}
    source = a.pb2.spec.source.task_action
    assert (source.action.run.name, source.action.name, source.attempt) == (r.name, "a0", 0)
    assert [x.pb2 for x in flyte.remote.Artifact.listall(source_run=r.name, source_action="a0")] == [a.pb2]
    assert run(program.reads, file=a).outputs()[0] == "by a task"


@pytest.mark.skipif(not hasattr(flyte.artifacts, "produces"), reason="no task of this SDK declares artifacts of another")
def test_what_a_parent_declares_and_publishes(sdk, run):
    r = run(program.parent, name="of-parent", text="child's")
    found = {a.name: a for a in flyte.remote.Artifact.listall(source_run=r.name)}
    assert sorted(found) == ["of-parent", "of-parent.by-hand"]
    assert found["of-parent"].pb2.spec.source.task_action.action.name != "a0"
    assert found["of-parent.by-hand"].pb2.spec.source.task_action.action.name == "a0"


def test_a_reused_result_makes_no_second_artifact(sdk, run):
    first = run(program.cached, name="reused")
    second = run(program.cached, name="reused")
    assert second.details().action_details.pb2.attempts[-1].cache_status != 0 and second.name != first.name
    assert [a.version for a in flyte.remote.Artifact.listall("reused")] == [f"{first.name}-a0-1"]


def test_what_cannot_be_kept_is_told(sdk, run, tern):
    r = run(program.wrong, name="taken")
    assert [a.version for a in flyte.remote.Artifact.listall("taken")] == ["1"]
    events = wire.details(tern.endpoint, r.name)["action"]["attempts"][-1]["clusterEvents"]
    assert [e["reason"] for e in events if e["reason"].startswith("Artifact")] == ["ArtifactNotKept"]
    told = run(program.makes, name="not a name", text="x")
    said = [e.message for e in told.details().action_details.pb2.attempts[-1].cluster_events]
    assert any("artifact_id.name.name" in m for m in said), said


# ---- lists ------------------------------------------------------------------------------------------------------------


def pages(tern, rpc, field, request, between=lambda: None):
    """The entries of all pages, with something happening between two of them."""
    token, out = "", []
    while True:
        message = {**request, "projectId": PROJECT_ID, "request": {**request.get("request", {}), "token": token}}
        told = call(tern, rpc, message)
        assert told.status == 200, told
        out += told.json.get(field, [])
        token = told.json.get("token", "")
        if not token:
            return out
        between()


def test_pages_are_stable(sdk, tern):
    for i in range(7):
        assert create(tern, "paged", f"v{i}", partitions={"value": {"k": {"staticValue": str(i % 3)}}}).status == 200
    count = iter(range(100))

    def add_and_remove():
        n = next(count)
        create(tern, "paged", f"new{n}")
        gone = {"name": {**SCOPE, "name": "paged"}, "version": f"v{6 - n}"}
        assert call(tern, "DeleteArtifact", {"artifactId": gone}).status == 200

    got = pages(tern, "ListArtifacts", "artifacts", {"name": "paged", "request": {"limit": 2}}, add_and_remove)
    assert [a["artifactId"]["version"] for a in got] == [f"v{i}" for i in range(6, -1, -1)]
    asked = {"name": "paged", "request": {"limit": 2, "sortByFields": [{"key": "created_at", "direction": "ASCENDING"}]}}
    got = [a["artifactId"]["version"] for a in pages(tern, "ListArtifacts", "artifacts", asked)]
    assert got == ["v0", "v1", "v2", "v3", "new0", "new1", "new2"]
    asked = {"name": "paged", "latestPerPartition": True, "request": {"limit": 1}}
    got = [a["artifactId"]["version"] for a in pages(tern, "ListArtifacts", "artifacts", asked)]
    assert got == ["new2", "v3", "v2", "v1"]
    names = lambda: [g["latest"]["artifactId"]["name"]["name"]  # noqa: E731
                     for g in pages(tern, "ListArtifactNames", "groups", {"request": {"limit": 1}})]
    assert names()[0] == "paged" and len(set(names())) == len(names())


def test_metadata_keys(sdk, tern):
    create(tern, "keys.a", "1", info={"userMetadata": {"b": "1", "a/x": "2"}})
    create(tern, "keys.b", "1", info={"userMetadata": {"b": "3", "c.d": "4"}})
    keys = lambda **name: call(tern, "ListArtifactMetadataKeys", {"projectId": PROJECT_ID, **name}).json.get("keys", [])  # noqa: E731
    assert keys(name="keys.a") == ["a/x", "b"] and keys(name="keys.b") == ["b", "c.d"] and keys(name="none") == []
    assert set(keys()) >= {"a/x", "b", "c.d"} and keys() == sorted(set(keys()))


def test_deleted(sdk, tern):
    for version in ("1", "2"):
        create(tern, "gone", version)
    name = {**SCOPE, "name": "gone"}
    delete = lambda version: call(tern, "DeleteArtifact", {"artifactId": {"name": name, "version": version}})  # noqa: E731
    assert delete("latest").code == "invalid_argument" and delete("3").code == "not_found"
    assert delete("2").status == 200 and delete("2").code == "not_found"
    assert flyte.remote.Artifact.get("gone").version == "1"
    assert delete("1").status == 200
    assert call(tern, "GetArtifact", {"name": name}).code == "not_found"
    assert call(tern, "GetArtifactSchema", {"name": name}).code == "not_found"


# ---- bad input --------------------------------------------------------------------------------------------------------

TEXT = {"staticValue": "x"}
BAD_SPECS = {
    "version": ({}, "latest", "artifact_id.version"),
    "no value": ({"value": {}}, "1", "spec.value"),
    "no type": ({"type": None}, "1", "spec.type"),
    "other scope": ({"source": {"taskAction": {"action": {"name": "a0", "run": {
        "project": "other", "domain": "development", "name": "r1"}}}}}, "1", "spec.source"),
    "own parent": ({"parentArtifacts": [{"version": "1"}]}, "1", "spec.parent_artifacts[0]"),
    "parent without version": ({"parentArtifacts": [{}]}, "1", "spec.parent_artifacts[0].version"),
    "parents": ({"parentArtifacts": [{"version": "0"}] * 33}, "1", "spec.parent_artifacts"),
    "metadata key": ({"info": {"userMetadata": {"": "x"}}}, "1", "spec.info.user_metadata"),
    "metadata value": ({"info": {"userMetadata": {"k": "x" * 5000}}}, "1", "spec.info.user_metadata: k"),
    "metadata": ({"info": {"userMetadata": {str(i): "" for i in range(65)}}}, "1", "spec.info.user_metadata"),
    "partition not static": ({"partitions": {"value": {"k": {"runtimeBinding": {}}}}}, "1", "spec.partitions: k"),
    "partition key": ({"partitions": {"value": {"k" * 65: TEXT}}}, "1", "spec.partitions"),
    "partitions": ({"partitions": {"value": {str(i): TEXT for i in range(17)}}}, "1", "spec.partitions"),
    "no time": ({"timePartition": {"value": TEXT}}, "1", "spec.time_partition.value"),
    "far time": ({"timePartition": {"value": {"timeValue": "2999-01-01T00:00:00Z"}}}, "1", "spec.time_partition.value"),
    "key twice": ({"timePartition": {"value": {"timeValue": "2026-01-01T00:00:00Z"}, "key": "k"},
                   "partitions": {"value": {"k": TEXT}}}, "1", "spec.partitions: k"),
    "large": ({"value": {"scalar": {"primitive": {"stringValue": "x" * 300000}}}}, "1", "spec: "),
    "large, of many objects": ({"value": {"collection": {"literals": [
        {"scalar": {"blob": {"uri": f"s3://tern/a/b/{i:01000}"}}} for i in range(300)]}}}, "1", "spec: "),
    "many objects": ({"value": {"collection": {"literals": [
        {"scalar": {"blob": {"uri": f"s3://tern/a/b/{i}"}}} for i in range(257)]}}}, "1", "spec.value: names more"),
}


@pytest.mark.parametrize("what", BAD_SPECS)
def test_bad_specs(tern, what):
    spec, version, named = BAD_SPECS[what]
    told = create(tern, "bad", version, **spec)
    assert told.code == "invalid_argument" and told.message.startswith(named), told


BAD_CALLS = [
    ("CreateArtifact", {"artifactId": {"name": {**SCOPE, "project": "nobody's", "name": "x"}, "version": "1"},
                        "spec": {"value": {"scalar": {"noneType": {}}}, "type": TYPE}}, "not_found"),
    ("CreateArtifact", {"artifactId": {"name": {**SCOPE, "name": "a/b"}, "version": "1"}}, "invalid_argument"),
    ("GetArtifact", {}, "invalid_argument"),
    ("GetArtifact", {"name": {**SCOPE, "name": "nothing"}}, "not_found"),
    ("GetArtifactSchema", {"name": {**SCOPE, "name": ""}}, "invalid_argument"),
    ("DeclareArtifact", {"name": {**SCOPE, "name": "x"}}, "invalid_argument"),
    ("DeclareArtifact", {"name": {**SCOPE, "name": "x"}, "partitionSchema": {"partitionKeys": ["a", "a"]}}, "invalid_argument"),
    ("DeclareArtifact", {"name": {**SCOPE, "name": "x"}, "partitionSchema": {
        "partitionKeys": ["a"], "timePartition": {"key": "a"}}}, "invalid_argument"),
    ("DeclareArtifact", {"name": {**SCOPE, "project": "nobody's", "name": "x"}, "partitionSchema": {}}, "not_found"),
    ("DeleteArtifact", {}, "invalid_argument"),
    ("ListArtifacts", {}, "invalid_argument"),
    ("ListArtifacts", {"projectId": PROJECT_ID, "request": {"filters": [{"field": "nothing", "values": ["x"]}]}},
     "invalid_argument"),
    ("ListArtifacts", {"projectId": PROJECT_ID, "request": {"filters": [
        {"field": "user_metadata.k", "function": "CONTAINS", "values": ["x"]}]}}, "invalid_argument"),
    ("ListArtifacts", {"projectId": PROJECT_ID, "request": {"filters": [
        {"field": "created_at", "function": "GREATER_THAN", "values": ["yesterday"]}]}}, "invalid_argument"),
    ("ListArtifacts", {"projectId": PROJECT_ID, "request": {"token": "x"}}, "invalid_argument"),
    ("ListArtifacts", {"projectId": PROJECT_ID, "request": {"sortBy": {"key": "name"}}}, "invalid_argument"),
    ("ListArtifactNames", {"projectId": PROJECT_ID, "request": {"filters": [{"field": "created_at", "values": ["x"]}]}},
     "invalid_argument"),
    ("ListArtifactMetadataKeys", {}, "invalid_argument"),
    ("ListPartitionValues", {"projectId": PROJECT_ID, "name": "x"}, "invalid_argument"),
    ("ListPartitionValues", {"projectId": PROJECT_ID, "name": "x", "key": "k", "request": {"sortBy": {"key": "time_partition"}}},
     "invalid_argument"),
]


@pytest.mark.parametrize("rpc, message, code", BAD_CALLS)
def test_bad_calls(tern, rpc, message, code):
    assert call(tern, rpc, message).code == code


def test_nothing_anywhere(tern):
    wire.create_project(tern.endpoint, "without-artifacts")
    for rpc in ("ListArtifacts", "ListArtifactNames", "ListArtifactMetadataKeys"):
        assert call(tern, rpc, {"projectId": {**PROJECT_ID, "name": "without-artifacts"}}).json == {}
    assert call(tern, "ListPartitionValues", {"projectId": PROJECT_ID, "name": "nothing", "key": "k"}).json == {}


# ---- what they name stays ---------------------------------------------------------------------------------------------


def test_what_artifacts_name_outlives_runs_and_uploads(make_tern, tmp_path):
    server = make_tern().start()
    (tmp_path / "f.txt").write_text("given")
    cli = lambda *args: server.cli(*args)  # noqa: E731
    cli("create", "artifact", "given", "--from-file", str(tmp_path / "f.txt"), "--version", "1")
    cli("run", "--follow", "artifacts.py", "makes", "--name", "kept", "--text", "kept", "--version", "1")
    for _ in range(2):  # the newest two runs always stay
        cli("run", "--follow", "kept.py", "works", "--text", "x")
    kept = wire.call(server.endpoint, wire.ARTIFACTS + "GetArtifact", {"name": {**SCOPE, "name": "kept"}}).json["artifact"]["spec"]
    run = kept["source"]["taskAction"]["action"]["run"]["name"]
    key = kept["value"]["scalar"]["blob"]["uri"].removeprefix("s3://tern/")
    place = f"flytesnacks/development/{run}/"
    assert key.startswith(place) and len(objects(server, place)) > 1
    given = wire.call(server.endpoint, wire.ARTIFACTS + "GetArtifact", {"name": {**SCOPE, "name": "given"}}).json["artifact"]["spec"]
    restart_with(server, "--retention.runs", MOMENT, "--retention.uploads", MOMENT)
    assert gc(server)["uploads"] > 0
    assert given["value"]["scalar"]["blob"]["uri"].removeprefix("s3://tern/") in objects(server, "uploads/")
    assert run not in cli("get", "run").stdout
    assert objects(server, place) == {key}
    gone = {"artifactId": {"name": {**SCOPE, "name": "kept"}, "version": "1"}}
    assert wire.call(server.endpoint, wire.ARTIFACTS + "DeleteArtifact", gone).status == 200
    assert gc(server, "--dry-run")["of artifacts"] == 1 and objects(server, place) == {key}
    assert gc(server)["of artifacts"] == 1 and not objects(server, place)
