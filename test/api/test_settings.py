"""Settings (docs/settings.md): the SDK and its command against a server of their own, whose levels are set and read."""
import random
import re
import threading

import flyte
import launch
import pytest
import wire
from conftest import PROGRAMS
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyte.remote import Settings
from flyte.remote._settings import _LEAF_TYPES, UNSET, _flat_to_proto, _proto_to_flat
from flyteidl2.settings import settings_definition_pb2 as pb
from flyteidl2.settings import settings_service_pb2 as rpc
from flyteidl2.settings.settings_service_connect import SettingsServiceClientSync
from harness import Tern

KINDS = {"string": lambda r: r.choice("abc"), "int": lambda r: r.randrange(9), "bool": lambda r: r.random() < .5,
         "quantity": lambda r: r.choice(["500m", "2", "4Gi", "1e3"]), "accelerator": lambda r: r.choice(["nvidia-l4", "new-one"]),
         "stringmap": lambda r: {r.choice("kmn"): r.choice("xyz") for _ in range(r.randrange(4))}}
PLACES = {"run.run_base_dir": "s3://tern/runs", "storage.raw_data_path": "s3://tern/raw"}


@pytest.fixture(scope="module")
def server(tern, tmp_path_factory):
    one = Tern(tmp_path_factory.mktemp("settings") / "server", args=["--run.max_action_concurrency", "7"])
    one.start().connect(PROGRAMS)
    yield one
    one.finish()
    tern.connect(PROGRAMS)


@pytest.fixture(scope="module")
def service(server):
    return SettingsServiceClientSync(f"http://{server.endpoint}")


@pytest.fixture
def project(server, request):
    """One of the test's own."""
    name = request.node.name.replace("_", "-")[:60]
    assert wire.create_project(server.endpoint, name).status == 200
    return name


def key(domain="", project="", org=""):
    return pb.SettingsKey(org=org, domain=domain, project=project)


def put(values, domain, project=""):
    """Replaces what a level has, with what this SDK knows of it."""
    known = {k: v for k, v in values.items() if k in _LEAF_TYPES}
    Settings.get_settings_for_edit(domain=domain, project=project).update_settings(known)


def code_of(call, *args):
    with pytest.raises(ConnectError) as e:
        call(*args)
    return e.value.code, e.value.message


# ---- levels ------------------------------------------------------------------------------------------------------------


def random_level(r):
    """What flyte edit settings could write."""
    values = {}
    for dotkey, kind in _LEAF_TYPES.items():
        what = r.random()
        if what < .2:
            values[dotkey] = UNSET
        elif what < .6:
            values[dotkey] = PLACES.get(dotkey) or KINDS[kind](r)
    return values


def put_together(levels):
    """{key: (value, level)}: an implementation of the rules that knows no protobuf."""
    out = {}
    for number, values in enumerate(levels):
        for k, v in values.items():
            before = out.get(k, (None, 0))[0]
            if isinstance(v, dict) and isinstance(before, dict):
                v = {**before, **v}
            out[k] = (v, number)
    return out


def leaf(message, dotkey):
    for part in dotkey.split("."):
        message = getattr(message, part)
    return message


@pytest.mark.parametrize("seed", range(12))
def test_levels_are_put_together(server, service, seed):
    r = random.Random(seed)
    domain, name = f"d{seed}", f"p{seed}"
    levels = [random_level(r) for _ in range(3)]
    for values, place in zip(levels, [("", ""), (domain, ""), (domain, name)]):
        put(values, *place)
    for depth, place in enumerate([("", ""), (domain, ""), (domain, name)], 1):
        got = service.get_settings(rpc.GetSettingsRequest(key=key(*place))).settingsRecord
        expected = put_together(levels[:depth])
        assert dict(_proto_to_flat(got.settings)) == {k: v for k, (v, _) in expected.items()}
        assert {k: leaf(got.settings, k).scope_level for k in expected} == {k: n for k, (_, n) in expected.items()}
        assert (got.key, got.version) == (key(*place), 0)
        # What the SDK puts together itself from the levels for editing, but for maps, which it does not merge.
        seen = Settings.get_settings_for_edit(domain=place[0], project=place[1])
        assert seen.local_overrides() == levels[depth - 1]
        theirs = {s.key: (s.value, ["ORG", "DOMAIN", "PROJECT"].index(s.origin.scope_type))
                  for s in seen.effective_settings if not isinstance(s.value, dict)}
        assert theirs == {k: v for k, v in expected.items() if not isinstance(v[0], dict)}
    put({}, "")


def test_levels_for_edit_are_as_stored(server, service, project):
    put({"labels": {"team": "blue"}, "run.default_queue": UNSET}, "staging")
    answer = service.get_settings_for_edit(rpc.GetSettingsForEditRequest(key=key("staging", project, org="acme")))
    assert answer.requestedKey == key("staging", project, org="acme")
    assert [(r.key, r.version) for r in answer.levels][1:] == [(key("staging", org="acme"), 1),
                                                               (key("staging", project, org="acme"), 0)]
    assert answer.levels[1].settings == _flat_to_proto({"labels": {"team": "blue"}, "run.default_queue": UNSET})
    assert not answer.levels[2].settings.ListFields()
    assert [r.key.domain for r in service.get_settings_for_edit(rpc.GetSettingsForEditRequest(key=key())).levels] == [""]


def test_what_inherits_is_not_kept_nor_what_the_server_says(service, project):
    said = pb.Settings(run=pb.RunSettings(default_queue=pb.StringSetting(string_value="ignored")),
                       app=pb.AppSettings(),
                       labels=pb.StringMapSetting(state=pb.SETTING_STATE_UNSET, scope_level=pb.SCOPE_LEVEL_PROJECT,
                                                  map_value=pb.StringMap(entries={"a": "b"})))
    made = service.create_settings(rpc.CreateSettingsRequest(key=key("development", project), settings=said))
    assert made.settingsRecord.settings == _flat_to_proto({"labels": UNSET})
    assert (made.settingsRecord.version, made.settingsRecord.key) == (1, key("development", project))


# ---- runs -------------------------------------------------------------------------------------------------------------


def run(task, project, expect="succeeded", context=None, **inputs):
    r = flyte.with_runcontext(project=project, domain="development", **(context or {})).run(task, **inputs)
    r.wait(quiet=True)
    assert str(r.phase).rsplit(".", 1)[-1].lower() == expect, r.details().action_details.pb2.error_info.message
    return r


def test_a_run_gets_what_it_does_not_say(server, project):
    put({"run.default_queue": "wide", "labels": {"team": "blue", "cost": "1"}, "annotations": {"a": "domain"},
         "environment_variables": {"FROM_SETTINGS": "domain", "KEPT": "domain"},
         "security.service_account": "wide", "run.max_action_concurrency": 3}, "development")
    put({"run.default_queue": "narrow", "run.run_base_dir": "s3://tern/elsewhere", "storage.raw_data_path": "s3://tern/rawest",
         "labels": {"team": "red"}, "environment_variables": {"FROM_SETTINGS": "project"}, "run.max_action_concurrency": UNSET,
         "task_resource.min.cpu": "100m", "task_resource.max.gpu": "1", "task_resource.default_accelerator": "nvidia-l4",
         "pod_template_name": "base"}, "development", project)
    names = ["FROM_SETTINGS", "KEPT", "MINE"]
    r = run(launch.tree, project, names=names, context={"env_vars": {"MINE": "run", "KEPT": "run"}, "labels": {"cost": "2"}})
    put({}, "development")
    put({}, "development", project)
    assert r.outputs()[0] == {n: {"FROM_SETTINGS": "project", "KEPT": "run", "MINE": "run"} for n in ("root", "child", "grandchild")}
    where = {"project": project, "domain": "development", "name": r.name}
    spec = wire.details(server.endpoint, r.name, project)["runSpec"]
    assert (spec["queue"], spec["runBaseDir"], spec["rawDataStorage"]["rawDataPrefix"], spec.get("maxActionConcurrency")) == (
        "narrow", "s3://tern/elsewhere", "s3://tern/rawest", None)
    assert (spec["labels"]["values"], spec["annotations"]["values"]) == ({"team": "red", "cost": "2"}, {"a": "domain"})
    assert spec["securityContext"]["runAs"]["k8sServiceAccount"] == "wide"
    assert sorted((e["key"], e["value"]) for e in spec["envs"]["values"] if e["key"] in names) == [
        ("FROM_SETTINGS", "project"), ("KEPT", "run"), ("MINE", "run")]
    resources = spec["defaultSettings"]["taskResourceDefaults"]
    assert (resources["requests"], resources["max"]) == ([{"name": "CPU", "value": "100m"}], [{"name": "GPU", "value": "1"}])
    if "pod_template_name" in _LEAF_TYPES:
        assert spec["defaultSettings"]["podTemplateName"] == "base"
        assert resources["defaultAccelerator"]["device"] == "nvidia-l4"
    actions = wire.call(server.endpoint, wire.RUNS + "ListActions", {"runId": where}).json["actions"]
    assert [a["metadata"]["task"]["queue"] for a in actions] == ["narrow"] * 3
    for a in actions:
        uris = wire.call(server.endpoint, wire.RUNS + "GetActionDataURIs", {"actionId": a["id"]}).json
        assert uris["outputsUri"].startswith(f"s3://tern/elsewhere/{project}/development/{r.name}/")
        assert uris["inputsUri"].startswith(f"s3://tern/elsewhere/{project}/development/")
    listed = wire.call(server.endpoint, wire.RUNS + "ListRuns", {
        "projectId": {"name": project, "domain": "development"},
        "request": {"filters": [{"field": "labels.team", "function": "EQUAL", "values": ["red"]}]}})
    assert [x["action"]["id"]["run"]["name"] for x in listed.json["runs"]] == [r.name]


def test_settings_bound_what_tasks_ask_for(server, project):
    """Nothing asked is the least, and nobody gets more than the most."""
    put({"task_resource.min.memory": "150Mi"}, "development", project)
    r = run(launch.fills_memory, project, expect="failed", mib=600)
    assert wire.details(server.endpoint, r.name, project)["action"]["errorInfo"]["code"] == "OOMKilled"
    put({"task_resource.max.memory": "150Mi"}, "development", project)
    asks = launch.fills_memory.override(resources=flyte.Resources(cpu=1, memory="2Gi"))
    r = run(asks, project, expect="failed", mib=600)
    assert wire.details(server.endpoint, r.name, project)["action"]["errorInfo"]["code"] == "OOMKilled"
    assert "The task asks for 2048 MiB of memory, the settings allow 150 MiB of memory" in server.cli(
        "get", "logs", "--project", project, r.name, "a0").stdout
    put({"task_resource.max.memory": "2Gi"}, "development", project)
    assert run(asks, project, mib=200).outputs()[0] == 200


def test_a_run_keeps_what_it_got_and_the_next_gets_what_is_new(server, project):
    put({"run.default_queue": "first", "labels": {"team": "a"}}, "development", project)
    r = run(launch.grandchild, project, names=[])
    put({"run.default_queue": UNSET}, "development", project)
    assert (r.details().pb2.run_spec.queue, dict(r.details().pb2.run_spec.labels.values)) == ("first", {"team": "a"})
    spec = run(launch.grandchild, project, names=[]).details().pb2.run_spec
    assert (spec.queue, dict(spec.labels.values)) == ("", {})


def test_a_place_that_a_wider_level_cannot_judge(server, project):
    """The organization names another project's folder: the run that would go there says which setting it is."""
    put({"run.run_base_dir": "s3://tern/flytesnacks"}, "")
    where = {**wire.run_id("nowhere"), "project": project}
    answer = wire.create_run(server.endpoint, {**wire.sleeper("nowhere", 0), "runId": where})
    put({}, "")
    assert answer.code == "invalid_argument" and answer.message.startswith("settings.run.run_base_dir: "), answer


def test_a_run_says_so_much_and_no_more(server, project):
    put({"labels": {f"k{n}": "v" for n in range(100)}}, "development", project)
    for spec, message in [
            ({"labels": {"values": {f"l{n}": "v" for n in range(101)}}}, "run_spec.labels: more than 200 with those of the settings"),
            ({"annotations": {"values": {str(n): "" for n in range(1001)}}}, "run_spec.annotations: more than 1000"),
            ({"envs": {"values": [{"key": str(n)} for n in range(1001)]}}, "run_spec.envs: more than 1000")]:
        request = {**wire.sleeper("much", 0), "runId": {**wire.run_id("much"), "project": project}, "runSpec": spec}
        answer = wire.create_run(server.endpoint, request)
        assert (answer.code, answer.message) == ("invalid_argument", message)


# ---- codes -------------------------------------------------------------------------------------------------------------


def test_versions(service, project):
    k, some = key("development", project), _flat_to_proto({"run.default_queue": "a"})
    update = lambda v: service.update_settings(rpc.UpdateSettingsRequest(key=k, settings=some, version=v))
    create = lambda: service.create_settings(rpc.CreateSettingsRequest(key=k, settings=some))
    assert code_of(update, 1)[0] == Code.NOT_FOUND
    assert create().settingsRecord.version == 1
    assert code_of(create)[0] == Code.ALREADY_EXISTS
    assert code_of(update, 0)[0] == Code.INVALID_ARGUMENT
    assert [update(1).settingsRecord.version, update(2).settingsRecord.version] == [2, 3]
    assert code_of(update, 2) == (Code.FAILED_PRECONDITION, "version: somebody changed the settings meanwhile; they have "
                                                            "version 3, the change is based on 2")
    assert code_of(update, 2 ** 64 - 1)[0] == Code.INVALID_ARGUMENT


def test_one_of_many_editors_wins(service, project):
    k = key("development", project)
    service.create_settings(rpc.CreateSettingsRequest(key=k, settings=pb.Settings()))
    codes = []

    def edit(number):
        try:
            new = _flat_to_proto({"run.max_action_concurrency": number})
            service.update_settings(rpc.UpdateSettingsRequest(key=k, settings=new, version=1))
            codes.append(number)
        except ConnectError as e:
            codes.append(e.code)

    threads = [threading.Thread(target=edit, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    winners = [c for c in codes if isinstance(c, int)]
    assert len(winners) == 1 and codes.count(Code.FAILED_PRECONDITION) == 7
    kept = service.get_settings_for_edit(rpc.GetSettingsForEditRequest(key=k)).levels[-1]
    assert (kept.version, kept.settings.run.max_action_concurrency.int_value) == (2, winners[0])


@pytest.mark.parametrize("values, names", [
    ({"task_resource.min.cpu": "many"}, "settings.task_resource.min.cpu"),
    ({"task_resource.max.memory": "-1Gi"}, "settings.task_resource.max.memory"),
    ({"run.default_queue": ""}, "settings.run.default_queue"),
    ({"run.default_queue": "q" * 3000}, "settings.run.default_queue"),
    ({"run.max_action_concurrency": -1}, "settings.run.max_action_concurrency"),
    ({"run.max_action_concurrency": 2 ** 32}, "settings.run.max_action_concurrency"),
    ({"run.run_base_dir": "/tmp/x"}, "settings.run.run_base_dir"),
    ({"run.run_base_dir": "s3://theirs/x"}, "settings.run.run_base_dir"),
    ({"run.run_base_dir": "s3://tern/flytesnacks"}, "settings.run.run_base_dir"),
    ({"storage.raw_data_path": "s3://theirs/x"}, "settings.storage.raw_data_path"),
    ({"labels": {"k": "v" * 64}}, "settings.labels"),
    ({"labels": {str(n): "v" for n in range(101)}}, "settings.labels"),
    ({"environment_variables": {"A=B": "v"}}, "settings.environment_variables"),
    ({"environment_variables": {f"V{n}": "v" * 10000 for n in range(10)}}, "settings"),
    ({"task_resource.default_accelerator": ""}, "settings.task_resource.default_accelerator"),
])
def test_values_are_checked(service, values, names):
    if not set(values) <= set(_LEAF_TYPES):
        pytest.skip("this SDK does not know the setting")
    request = rpc.CreateSettingsRequest(key=key("development", "unused"), settings=_flat_to_proto(values))
    code, message = code_of(service.create_settings, request)
    assert code == Code.INVALID_ARGUMENT and message.startswith(names + ": "), message


@pytest.mark.parametrize("which", [key("", "p"), key("a:b"), key("d", "a/b"), key(org="a:b"), key("d" * 64)])
def test_keys_are_checked(service, which):
    for call, request in [(service.get_settings, rpc.GetSettingsRequest(key=which)),
                          (service.get_settings_for_edit, rpc.GetSettingsForEditRequest(key=which)),
                          (service.create_settings, rpc.CreateSettingsRequest(key=which, settings=pb.Settings()))]:
        code, message = code_of(call, request)
        assert code == Code.INVALID_ARGUMENT and message.startswith("key."), message


def test_what_is_required(service):
    for call, request, name in [(service.get_settings, rpc.GetSettingsRequest(), "key"),
                                (service.get_settings_for_edit, rpc.GetSettingsForEditRequest(), "key"),
                                (service.create_settings, rpc.CreateSettingsRequest(key=key("d")), "settings"),
                                (service.update_settings, rpc.UpdateSettingsRequest(settings=pb.Settings(), version=1), "key")]:
        code, message = code_of(call, request)
        assert code == Code.INVALID_ARGUMENT and message.startswith(name), message


# ---- the command -------------------------------------------------------------------------------------------------------


def test_flyte_edit_settings(server, project, tmp_path):
    where = ("--domain", "production", "--project", project)
    wanted = tmp_path / "wanted.yaml"
    wanted.write_text("run.default_queue: big\nlabels: {team: blue}\nsecurity.service_account: ~unset\n")
    assert "updated successfully" in server.cli("edit", "settings", *where, "--from-file", wanted).stdout
    shown = re.sub(r"\x1b\[[0-9;]*m", "", server.cli("get", "settings", *where).stdout)
    assert "run.default_queue: big" in shown and "~unset" in shown
    assert Settings.get_settings_for_edit(domain="production", project=project).local_overrides() == {
        "run.default_queue": "big", "labels": {"team": "blue"}, "security.service_account": UNSET}
    wanted.write_text("task_resource.min.cpu: many\n")
    refused = server.cli("edit", "settings", *where, "--from-file", wanted, check=False)
    assert "settings.task_resource.min.cpu" in refused.stdout + refused.stderr
