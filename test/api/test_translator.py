"""TranslatorService: values of the real SDK as launch forms and back, and what JSON Schema says of the forms."""
import asyncio
import base64
import datetime as dt
import enum
import hashlib
import json
import math
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union

import flyte
import flyte.io
import flyte.remote
import jsonschema
import msgpack
import pytest
import wire
from flyte.types import TypeEngine
from flyteidl2.common.identifier_pb2 import ProjectIdentifier
from flyteidl2.core import interface_pb2, literals_pb2, types_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.workflow import run_service_pb2
from flyteidl2.workflow import translator_service_pb2 as pb
from google.protobuf import json_format, struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

SERVICE = "/flyteidl2.workflow.TranslatorService/"
UTC = dt.timezone.utc


class Refused(Exception):
    pass


def rpc(endpoint, name, **fields):
    """A call in the binary form; the JSON one must say the same."""
    request = getattr(pb, name + "Request")(**fields)
    answers = [wire.post(endpoint, SERVICE + name, request.SerializeToString(), content_type="application/proto"),
               wire.post(endpoint, SERVICE + name, json_format.MessageToJson(request).encode())]
    if answers[0].status != 200:
        assert [a.json for a in answers] == [answers[0].json] * 2
        raise Refused(answers[0].code, answers[0].message)
    response = getattr(pb, name + "Response").FromString(answers[0].body)
    assert answers[1].status == 200, answers[1]
    assert json_format.Parse(answers[1].body, type(response)()) == response
    return response


def variables(**types):
    return interface_pb2.VariableMap(variables=[
        interface_pb2.VariableEntry(key=k, value=interface_pb2.Variable(type=t)) for k, t in types.items()])


def named(**literals):
    return [common_pb2.NamedLiteral(name=k, value=v) for k, v in literals.items()]


def to_form(endpoint, literal_type, literal):
    r = rpc(endpoint, "LiteralsToLaunchFormJson", variables=variables(x=literal_type), literals=named(x=literal))
    assert len(r.json.fields["properties"].struct_value.fields) == 1
    return r.json


def from_form(endpoint, form):
    got = rpc(endpoint, "LaunchFormJsonToLiterals", json=form).literals
    assert [n.name for n in got] == ["x"]
    return got[0].value


def from_value(endpoint, literal_type, value):
    values = struct_pb2.Struct()
    values.fields["x"].CopyFrom(value)
    got = rpc(endpoint, "JsonValuesToLiterals", variables=variables(x=literal_type), values=values).literals
    assert [n.name for n in got] == ["x"]
    return got[0].value


def default_of(form):
    """The value that a form shows, as Value."""
    schema = form.fields["properties"].struct_value.fields["x"].struct_value
    if "default" in schema.fields:
        return schema.fields["default"]
    value = struct_pb2.Value()
    for key, part in schema.fields["properties"].struct_value.fields.items():
        value.struct_value.fields[key].CopyFrom(part.struct_value.fields["default"])
    return value


# ---- values of the SDK ----------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Leaf:
    a: int
    b: Optional[str] = None


@dataclass
class Other:
    c: str
    d: int = 0


@dataclass
class Every:
    i: int = 0
    f: float = 0.0
    s: str = ""
    b: bytes = b""
    yes: bool = False
    items: list[int] = field(default_factory=list)
    by_number: dict[int, str] = field(default_factory=dict)
    when: Optional[dt.datetime] = None
    span: dt.timedelta = dt.timedelta(0)
    colour: Colour = Colour.RED
    leaf: Optional[Leaf] = None
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    either: Union[int, str] = 1


class Model(BaseModel):
    i: int
    f: float = 0.5
    by_name: dict[str, list[float]] = {}
    when: Optional[dt.datetime] = None
    span: dt.timedelta = dt.timedelta(0)
    colour: Colour = Colour.RED
    either: Union[int, str] = 1


class Part(BaseModel):
    numbers: dict[str, list[float]] = {}


class Whole(BaseModel):
    """The schema of a class in it stands apart, with a reference."""
    i: int
    part: Optional[Part] = None
    parts: list[Part] = []


class Node(BaseModel):
    value: int
    next: Optional["Node"] = None


class Pair(NamedTuple):
    a: int
    b: str


class Typed(TypedDict):
    a: int
    b: list[str]


WHEN = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FILE = "s3://tern/flytesnacks/development/some/file.csv"
CASES = {
    "int": (int, 7),
    "int min": (int, -(2**63)),
    "int max": (int, 2**63 - 1),
    "int beyond a double": (int, 2**53 + 1),
    "float": (float, 0.1),
    "float whole": (float, 2.0),
    "float -0": (float, -0.0),
    "float subnormal": (float, 5e-324),
    "float max": (float, 1.7976931348623157e308),
    "float nan": (float, math.nan),
    "float inf": (float, math.inf),
    "float -inf": (float, -math.inf),
    "str": (str, "ünï\n\0\U0001f600"),
    "str empty": (str, ""),
    "bool": (bool, False),
    "datetime": (dt.datetime, WHEN),
    "datetime first": (dt.datetime, dt.datetime(1, 1, 1, tzinfo=UTC)),
    "datetime last": (dt.datetime, dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    "date": (dt.date, dt.date(2026, 2, 28)),
    "timedelta": (dt.timedelta, dt.timedelta(days=1, seconds=2, microseconds=3)),
    "timedelta negative": (dt.timedelta, -dt.timedelta(microseconds=1)),
    "timedelta longest": (dt.timedelta, dt.timedelta(days=3652500)),
    "None": (type(None), None),
    "optional none": (Optional[int], None),
    "optional int": (Optional[int], 3),
    "optional str": (Optional[str], ""),
    "optional list": (Optional[list[int]], [1]),
    "optional dataclass": (Optional[Leaf], Leaf(1)),
    "optional dict": (Optional[dict[str, int]], {"type": 1}),
    "optional any dict": (Optional[dict], {"type": "null", "b": 1}),
    "any dict long": (dict, {f"key {i}": [i, {"z": None, "a": 0.5}] for i in range(40)}),
    "union int": (Union[int, float, str], 2),
    "union float": (Union[int, float, str], 2.0),
    "union nan": (Union[str, float], math.nan),
    "union str like a number": (Union[float, str], "NaN"),
    "union time": (Union[str, dt.datetime], WHEN),
    "union str like a time": (Union[dt.datetime, str], "2026-01-01T00:00:00Z"),
    "union timedelta": (Union[str, int, dt.timedelta], dt.timedelta(seconds=5)),
    "union bool": (Union[int, bool], True),
    "union enum": (Union[str, Colour], Colour.GREEN),
    "union first class": (Union[Leaf, Other], Leaf(1, "b")),
    "union second class": (Union[Leaf, Other], Other("c")),
    "union list": (Union[str, list[int], dict[str, int]], [1, 2]),
    "union map": (Union[str, list[int], dict[str, int]], {"a": 1}),
    "union in list": (list[Union[int, str, None]], [1, "a", None]),
    "union in map": (dict[str, Union[int, list[str], None]], {"a": 1, "b": ["x"], "c": None}),
    "enum": (Colour, Colour.GREEN),
    "literal": (Literal["low", "high"], "high"),
    "list": (list[int], [1, 2, 3]),
    "list empty": (list[str], []),
    "list of lists": (list[list[float]], [[0.5], [], [math.inf]]),
    "list of dataclasses": (list[Leaf], [Leaf(1), Leaf(2, "b")]),
    "list of times": (list[dt.datetime], [WHEN]),
    "dict": (dict[str, int], {"a": 1, "": 2, "ü": 3}),
    "dict empty": (dict[str, int], {}),
    "dict of dicts": (dict[str, dict[str, bool]], {"a": {"b": True}}),
    "dict of dataclasses": (dict[str, Leaf], {"k": Leaf(3)}),
    "dict by number": (dict[int, str], {1: "a", -2: "b"}),
    "any dict": (dict, {"a": 2.5, "b": [1, {"c": None, "d": True}], "e": "f", "type": "null"}),
    "any dict that says none": (dict, {"type": "null"}),
    "dataclass": (Every, Every(2**60 + 1, 2.0, "s", b"\0\xff\x01", True, [1, -2], {1: "a"}, WHEN,
                               dt.timedelta(1, 2, 3), Colour.GREEN, Leaf(3), {"x": [Leaf(4)]}, "7")),
    "dataclass defaults": (Every, Every()),
    "dataclass nan": (Every, Every(f=math.inf)),
    "pydantic": (Model, Model(i=-(2**55) - 1, by_name={"a": [1.0, 0.1]}, when=WHEN, span=dt.timedelta(1.5),
                              colour=Colour.GREEN, either="5")),
    "pydantic in pydantic": (Whole, Whole(i=1, part=Part(numbers={"a": [0.5]}), parts=[Part()])),
    "list of pydantic": (list[Whole], [Whole(i=1, part=Part())]),
    "optional pydantic": (Optional[Whole], Whole(i=1, parts=[Part()])),
    "pydantic of itself": (Node, Node(value=1, next=Node(value=2, next=Node(value=3)))),
    "named tuple": (Pair, Pair(1, "b")),
    "typed dict": (Typed, {"a": 1, "b": ["x"]}),
    "tuple": (tuple[int, str], (1, "x")),
    "any": (Any, {1, 2}),
    "any small": (Any, 5),
    "bytes": (bytes, b"\0\xff abc"),
    "untyped list": (list, [1, "a", None]),
    "optional any": (Optional[Any], b"pickled"),
    "file": (flyte.io.File, flyte.io.File.from_existing_remote(FILE)),
    "dir": (flyte.io.Dir, flyte.io.Dir.from_existing_remote("s3://tern/flytesnacks/development/some/dir")),
    "optional file": (Optional[flyte.io.File], flyte.io.File.from_existing_remote(FILE)),
    "list of files": (list[flyte.io.File], [flyte.io.File.from_existing_remote(FILE)] * 2),
    "frame": (flyte.io.DataFrame, flyte.io.DataFrame.from_existing_remote("s3://tern/flytesnacks/t", format="parquet")),
    "optional frame": (Optional[flyte.io.DataFrame],
                       flyte.io.DataFrame.from_existing_remote("s3://tern/flytesnacks/t", format="parquet")),
}


# Come back as generic.
HOLD_BYTES = ("dataclass", "dataclass defaults", "dataclass nan")
# The SDK's own schema asks for something else than the SDK sends, or the value looks like none.
UNJUDGED = (*HOLD_BYTES, "pydantic", "any dict that says none")


def same(a, b):
    if isinstance(a, float) and isinstance(b, (float, int)):
        return (math.isnan(a) and math.isnan(b)) or a == b
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, flyte.io.DataFrame):
        return (a.uri, a.format) == (b.uri, b.format)
    if isinstance(a, (flyte.io.File, flyte.io.Dir)):
        return type(a) is type(b) and a.path == b.path
    return type(a) is type(b) and a == b


def literal_of(python_type, value):
    literal_type = TypeEngine.to_literal_type(python_type)
    return literal_type, asyncio.run(TypeEngine.to_literal(value, python_type, literal_type))


def value_of(literal, python_type):
    return asyncio.run(TypeEngine.to_python_value(literal, python_type))


def bare(literal):
    """What a form can keep: not the hash, nor what the types of unions say beside their tag."""
    literal.ClearField("hash")
    if literal.scalar.HasField("union"):
        bare_type(literal.scalar.union.type, "structure")
        bare(literal.scalar.union.value)
    for inner in [*literal.collection.literals, *literal.map.literals.values()]:
        bare(inner)
    if literal.scalar.binary.tag == "msgpack":  # the order of its maps, and which of the forms of a number
        value = msgpack.loads(literal.scalar.binary.value, strict_map_key=False)
        literal.scalar.binary.value = json.dumps(text_keys(value), sort_keys=True, default=repr).encode()
    return literal


def bare_type(t, *kept):
    for name in {"metadata", "annotation", "structure"}.difference(kept):
        t.ClearField(name)
    for name in ("collection_type", "map_value_type"):
        if t.HasField(name):
            bare_type(getattr(t, name))
    for variant in t.union_type.variants:
        bare_type(variant, "structure")


def text_keys(v):
    """As JSON has it."""
    if isinstance(v, dict):
        return {str(k): text_keys(x) for k, x in v.items()}
    if isinstance(v, list):
        return [text_keys(x) for x in v]
    if isinstance(v, (int, float)) and not isinstance(v, bool):
        return json_number(v)
    return v


def json_number(v):
    if isinstance(v, int):
        return v if abs(v) <= 2**53 else str(v)
    if not math.isfinite(v):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(v)]
    return int(v) if v == int(v) and abs(v) <= 2**53 else v


def judge(form, values):
    """Whether the values are what the form says, for a judge who has written neither. Forms say none with an object, and
    what a double cannot say with text; variants of a union may overlap, as whole numbers and numbers do."""
    def plain(v):
        if isinstance(v, dict):
            return None if v == {"type": "null"} else {k: plain(x) for k, x in v.items()}
        if isinstance(v, list):
            return [plain(x) for x in v]
        if v in ("NaN", "Infinity", "-Infinity"):
            return 0.5
        return int(v) if isinstance(v, str) and re.fullmatch("-?[0-9]{16,20}", v) else v

    def wide(s):
        if isinstance(s, dict):
            return {("anyOf" if k == "oneOf" else k): v.replace("/oneOf/", "/anyOf/") if k == "$ref" else wide(v)
                    for k, v in s.items()}
        return [wide(v) for v in s] if isinstance(s, list) else s

    judge_class = jsonschema.Draft202012Validator
    judge_class.check_schema(form)
    judge_class(wide(form)).validate(plain(values))


def task_form(endpoint, **types):
    spec = task_definition_pb2.TaskSpec()
    spec.task_template.interface.inputs.CopyFrom(variables(**types))
    return rpc(endpoint, "TaskSpecToLaunchFormJson", task_spec=spec).json


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(tern, name):
    python_type, value = CASES[name]
    literal_type, literal = literal_of(python_type, value)
    form = to_form(tern.endpoint, literal_type, literal)
    back = from_form(tern.endpoint, form)
    assert same(value, value_of(back, python_type)), (form, back)
    direct = from_value(tern.endpoint, literal_type, default_of(form))
    if not name.startswith("union"):  # without a form nobody says which variant it was
        assert same(value, value_of(direct, python_type)), (form, direct)
    kept = bare(literal)
    if name not in HOLD_BYTES:
        assert bare(back) == kept
        assert name.startswith("union") or bare(direct) == kept
    task = task_form(tern.endpoint, x=literal_type)
    if name not in UNJUDGED:
        judge(json_format.MessageToDict(task), {"x": json_format.MessageToDict(default_of(form))})
    if python_type is not type(None):
        assert form.fields["required"] == task.fields["required"]


# ---- a task: its form, and a run started again from one -----------------------------------------------------------------


@pytest.fixture(scope="module")
def first_run(sdk):
    """A run of forms.everything that has ended, and the task as the server knows it."""
    import forms

    r = sdk.run(forms.everything, count=2**53 + 1, config=forms.Config(3, more={"a": 1, "b": [True, None]}),
                model=forms.Model(layers=[1, 2], limit=dt.timedelta(seconds=1.5)), either=WHEN, maybe=5)
    r.wait(quiet=True)
    return r, r.details().action_details.pb2.task


def test_form_of_a_deployed_task(tern, sdk):
    """As the server keeps it, with its defaults."""
    import forms

    sdk.deploy(forms.env, version="forms-1")
    task = flyte.remote.Task.get("forms.everything", version="forms-1").fetch().pb2.spec
    form = json_format.MessageToDict(rpc(tern.endpoint, "TaskSpecToLaunchFormJson", task_spec=task).json)
    fields = form["properties"]
    inputs = [v.key for v in task.task_template.interface.inputs.variables]
    assert sorted(fields) == sorted(inputs) and len(inputs) == 15
    assert form["required"] == [i for i in inputs if i in ("count", "config", "model", "either")]
    assert {n for n, f in fields.items() if "default" in f} == set(inputs) - set(form["required"])
    shown = {n: f["default"] for n, f in fields.items() if "default" in f}
    given = {"count": 1, "config": {"steps": 1}, "model": {"layers": []}, "either": "e"}
    judge(form, {**shown, **given})
    assert shown["span"] == "1h0m0.000001s" and shown["when"] == "2026-01-02T03:04:05.678901Z"
    assert shown["size"] == "LARGE" and shown["maybe"] == {"type": "null"} and shown["table"] == {"a": [1]}
    assert shown["free"] == {"x": [1, {"y": None}]} and fields["preset"]["dataclass"] == "Config"
    with pytest.raises(jsonschema.ValidationError):
        judge(form, {**shown, **given, "config": {"steps": "many"}})


def create_run(endpoint, task, literals):
    request = run_service_pb2.CreateRunRequest(task_spec=task)
    request.project_id.CopyFrom(ProjectIdentifier(name="flytesnacks", domain="development"))
    request.inputs.literals.extend(literals)
    a = wire.post(endpoint, wire.RUNS + "CreateRun", request.SerializeToString(), content_type="application/proto")
    assert a.status == 200, a
    r = flyte.remote.Run.get(run_service_pb2.CreateRunResponse.FromString(a.body).run.action.id.run.name)
    r.wait(quiet=True)
    return r


def test_run_again_from_a_form(tern, first_run):
    """The form of a run's inputs, one field changed by hand: the next run gets just that, and the rest as it was."""
    first, task = first_run
    said = first.outputs()[0]
    assert f"({2**53 + 1}, " in said
    action = first.details().action_details.pb2.id
    uris = wire.call(tern.endpoint, wire.RUNS + "GetActionDataURIs", {"actionId": json_format.MessageToDict(action)}).json
    variables_ = task.task_template.interface.inputs
    form = rpc(tern.endpoint, "LiteralsToLaunchFormJson", action_id=action, literals_uri=uris["inputsUri"],
               variables=variables_).json
    literals = rpc(tern.endpoint, "LaunchFormJsonToLiterals", json=form).literals
    assert create_run(tern.endpoint, task, literals).outputs()[0] == said
    fields = form.fields["properties"].struct_value.fields
    fields["count"].struct_value.fields["default"].number_value = -4
    changed = rpc(tern.endpoint, "LaunchFormJsonToLiterals", json=form).literals
    assert create_run(tern.endpoint, task, changed).outputs()[0] == said.replace(str(2**53 + 1), "-4")
    outputs = rpc(tern.endpoint, "LiteralsToLaunchFormJson", action_id=action, literals_uri=uris["outputsUri"],
                  variables=task.task_template.interface.outputs).json
    assert json_format.MessageToDict(outputs)["properties"]["o0"]["default"] == said
    with pytest.raises(Refused, match="neither the inputs nor the outputs"):
        rpc(tern.endpoint, "LiteralsToLaunchFormJson", action_id=action, literals_uri="s3://tern/other/inputs.pb")
    with pytest.raises(Refused, match="not_found"):
        action.name = "a7"
        rpc(tern.endpoint, "LiteralsToLaunchFormJson", action_id=action, literals_uri=uris["inputsUri"])
    with pytest.raises(Refused, match="action_id: required"):
        rpc(tern.endpoint, "LiteralsToLaunchFormJson", literals_uri=uris["inputsUri"])


def put(endpoint, name, data):
    """An object by a signed URL, as the SDK uploads; its URI."""
    where = wire.call(endpoint, "/flyteidl2.dataproxy.DataProxyService/CreateUploadLocation", {
        "project": "flytesnacks", "domain": "development", "filename": name, "filenameRoot": "translator",
        "contentMd5": base64.b64encode(hashlib.md5(data).digest()).decode()})
    assert where.status == 200, where
    url = urllib.request.Request(where.json["signedUrl"], data=data, method="PUT", headers=where.json.get("headers", {}))
    urllib.request.urlopen(url, timeout=60).close()
    return where.json["nativeUrl"]


def offloaded(uri):
    return literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri=uri))


def test_values_that_are_stored_elsewhere(tern):
    t, literal = literal_of(list[int], [1, 2, 3])
    uri = put(tern.endpoint, "list.pb", literal.SerializeToString())
    assert default_of(to_form(tern.endpoint, t, offloaded(uri))) == default_of(to_form(tern.endpoint, t, literal))
    for bad, message in [("s3://elsewhere/list.pb", "offloaded_metadata.uri"), ("file:///etc/passwd", "offloaded_metadata.uri"),
                         (uri + "x", "not_found"), ("", "offloaded_metadata.uri")]:
        with pytest.raises(Refused, match=message):
            to_form(tern.endpoint, t, offloaded(bad))
    with pytest.raises(Refused, match="x: .*"):
        to_form(tern.endpoint, t, offloaded(put(tern.endpoint, "no.pb", b"\xff\xff\xff")))


def test_stored_values_that_name_themselves_end(tern):
    t = types_pb2.LiteralType(simple="INTEGER")
    known = "s3://tern/uploads/flytesnacks/development/translator/"
    itself = literals_pb2.Literal()
    itself.map.literals["a"].CopyFrom(offloaded(known + "itself.pb"))
    assert put(tern.endpoint, "itself.pb", itself.SerializeToString()) == known + "itself.pb"
    with pytest.raises(Refused, match="nested too deep"):
        to_form(tern.endpoint, t, offloaded(known + "itself.pb"))
    padding = literals_pb2.Literal()
    padding.scalar.primitive.string_value = "x" * (1 << 20)
    many = literals_pb2.Literal()
    many.collection.literals.extend([offloaded(put(tern.endpoint, "padding.pb", padding.SerializeToString()))] * 40)
    with pytest.raises(Refused, match="resource_exhausted"):
        to_form(tern.endpoint, t, many)


# ---- what is refused -----------------------------------------------------------------------------------------------

INT, FLOAT, STR, NONE = ({"simple": s} for s in ("INTEGER", "FLOAT", "STRING", "NONE"))
BLOB = {"blob": {}}
REFUSED_VALUES = [
    (INT, 1.5, "x: must be a whole number, is 1.5"),
    (INT, 2.0**53 + 2, "x: is a number beyond 2^53"),
    (INT, "9223372036854775808", "x: must be a whole number of 64 bits, is text"),
    (INT, None, "x: must have a value"),
    (INT, {"type": "null"}, "x: must be a whole number of 64 bits, is an object"),
    (FLOAT, "1.5", "x: must be a number, is text"),
    (STR, 1, "x: must be text, is a number"),
    ({"simple": "BOOLEAN"}, 1, "x: must be true or false, is a number"),
    ({"simple": "DATETIME"}, "2026-02-30T00:00:00Z", "x: must be a time like"),
    ({"simple": "DURATION"}, "1 hour", "x: must be a duration like"),
    ({"simple": "DURATION"}, 1e300, "x: must be a duration like"),
    ({"simple": "BINARY"}, "a b", "x: must be base64 text"),
    ({"simple": "STRUCT"}, [1], "x: must be an object, is an array"),
    ({"enumType": {"values": ["A"]}}, "B", 'x: "B" is none of the enum\'s values'),
    ({"collectionType": INT}, [1, "b"], "x: [1]: must be a whole number"),
    ({"mapValueType": {"collectionType": INT}}, {"k": [True]}, 'x: ["k"]: [0]: must be a whole number'),
    (BLOB, {"uri": "s3://b/k", "format": ""}, "x: dimensionality: must be"),
    (BLOB, {"format": "", "dimensionality": "SINGLE"}, "x: uri: required"),
    ({"structuredDatasetType": {}}, {"uri": "s3://b/k"}, "x: format: required"),
    ({"unionType": {"variants": [INT, STR]}}, [], "x: fits none of the union's types: integer: must be a whole number"),
    ({"unionType": {"variants": [INT, STR]}}, None, "x: must have a value"),
    ({"schema": {}}, 1, "x: has the deprecated type schema"),
    ({}, 1, "x: has a type of no known kind"),
]


@pytest.mark.parametrize("t,value,message", REFUSED_VALUES)
def test_values_that_do_not_fit(tern, t, value, message):
    a = wire.call(tern.endpoint, SERVICE + "JsonValuesToLiterals",
                  {"variables": {"variables": [{"key": "x", "value": {"type": t}}]}, "values": {"x": value}})
    assert a.code == "invalid_argument" and message in a.message, a


REFUSED = [
    ("JsonValuesToLiterals", {"variables": {"variables": [{"key": "x", "value": {"type": INT}}]}, "values": {}},
     "invalid_argument", "x: required"),
    ("JsonValuesToLiterals", {}, "invalid_argument", "values: required"),
    ("LaunchFormJsonToLiterals", {}, "invalid_argument", "json.properties: required"),
    ("LaunchFormJsonToLiterals", {"json": {"properties": [1]}}, "invalid_argument", "json.properties: required"),
    ("LaunchFormJsonToLiterals", {"json": {"properties": {"x": 1}}}, "invalid_argument", "x: must be the schema"),
    ("LaunchFormJsonToLiterals", {"json": {"properties": {"x": {"default": 1}}}}, "invalid_argument", "x: type: required"),
    ("LaunchFormJsonToLiterals", {"json": {"properties": {"x": {"oneOf": 1}}}}, "invalid_argument", "x: oneOf: must be"),
    ("LaunchFormJsonToLiterals", {"json": {"properties": {"x": {"oneOf": [{}]}}}}, "invalid_argument", "x: oneOf[0]: type"),
    ("LiteralsToLaunchFormJson", {"triggerId": {"name": {"project": "p", "domain": "d", "name": "t", "taskName": "n"},
                                                "revision": "1"}}, "not_found", "has no revision 1"),
    ("LiteralsToLaunchFormJson", {"variables": {"variables": [{"key": "x"}, {"key": "x"}]}}, "invalid_argument",
     'variables: "x" is there twice'),
    ("LiteralsToLaunchFormJson", {"variables": {"variables": [{"key": "x", "value": {"type": INT}}]}, "literals": [
        {"name": "x", "value": {"scalar": {"error": {"message": "m"}}}}]}, "unimplemented", "x: is an error"),
    ("LiteralsToLaunchFormJson", {"variables": {"variables": [{"key": "x", "value": {"type": INT}}]}, "literals": [
        {"name": "x"}]}, "invalid_argument", "x: has a literal without a value"),
]


@pytest.mark.parametrize("name,message,code,text", REFUSED)
def test_requests_that_are_refused(tern, name, message, code, text):
    a = wire.call(tern.endpoint, SERVICE + name, message)
    assert a.code == code and text in a.message, a


def test_what_has_no_place_is_left_out(tern):
    """Literals of another version's inputs, values of nobody's, fields that nobody filled in, files without a URI."""
    t = {"variables": [{"key": "x", "value": {"type": INT}}, {"key": "z", "value": {"type": BLOB}}]}
    literal = {"scalar": {"primitive": {"integer": "1"}}}
    a = wire.call(tern.endpoint, SERVICE + "LiteralsToLaunchFormJson",
                  {"variables": t, "literals": [{"name": n, "value": literal} for n in ("y", "x")]})
    assert list(a.json["json"]["properties"]) == ["x"] and a.json["json"]["required"] == ["x"]
    empty = wire.call(tern.endpoint, SERVICE + "TaskSpecToLaunchFormJson", {"taskSpec": {"taskTemplate": {"interface": {"inputs": t}}}})
    assert empty.json["json"]["required"] == ["x", "z"]
    assert wire.call(tern.endpoint, SERVICE + "LaunchFormJsonToLiterals", {"json": empty.json["json"]}).json == {}
    a = wire.call(tern.endpoint, SERVICE + "JsonValuesToLiterals", {"variables": {"variables": t["variables"][:1]}, "values": {"x": 1, "y": 2}})
    assert a.json == {"literals": [{"name": "x", "value": literal}]}


def test_get(tern):
    query = urllib.parse.urlencode({"encoding": "json", "connect": "v1", "message": json.dumps({"values": {}})})
    a = wire.post(tern.endpoint, f"{SERVICE}JsonValuesToLiterals?{query}", None, method="GET")
    assert (a.status, a.json) == (200, {})


def test_depth_has_an_end(tern):
    """What is answered can be read: readers of protocol buffers stop at 100 messages inside each other."""
    ok = 0
    for levels in range(1, 60):
        value = {"v": "leaf"}
        for _ in range(levels):
            value = {"v": value}
        t, literal = literal_of(dict, value)
        try:
            assert value_of(from_form(tern.endpoint, to_form(tern.endpoint, t, literal)), dict) == value
            ok = levels
        except Refused as refused:
            assert "nested too deep" in str(refused)
    assert 20 < ok < 33


# ---- random values of random types ----------------------------------------------------------------------------------

TIMES = st.datetimes(min_value=dt.datetime(1, 1, 1), timezones=st.just(UTC))
SPANS = st.timedeltas(min_value=-dt.timedelta(days=3652500), max_value=dt.timedelta(days=3652500))
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = st.text(st.characters(codec="utf-8"), max_size=6)
PARTS = st.builds(Part, numbers=st.dictionaries(KEYS, st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
                                                max_size=2))
LEAVES = [(int, st.integers(-(2**63), 2**63 - 1)), (float, st.floats()), (str, TEXT), (bool, st.booleans()),
          (dt.datetime, TIMES), (dt.timedelta, SPANS), (Colour, st.sampled_from(Colour)),
          (Leaf, st.builds(Leaf, st.integers(-(2**60), 2**60), st.none() | TEXT)),
          (Whole, st.builds(Whole, i=st.integers(-(2**60), 2**60), part=st.none() | PARTS, parts=st.lists(PARTS, max_size=2)))]
# Of these JSON shows which it is; of the others only the form of a single value says so.
DISTINCT = [LEAVES[0], LEAVES[2], LEAVES[3], LEAVES[7]]


def containers(inner):
    t, values = inner
    return st.sampled_from([(list[t], st.lists(values, max_size=4)), (dict[str, t], st.dictionaries(KEYS, values, max_size=4)),
                            (Optional[t], st.none() | values)])


def union(members):
    return Union[tuple(t for t, _ in members)], st.one_of([v for _, v in members])


def unions(members):
    return st.lists(st.sampled_from(members), min_size=2, max_size=4, unique_by=lambda m: m[0]).map(union)


TYPES = st.recursive(st.sampled_from(LEAVES) | unions(DISTINCT), lambda t: t.flatmap(containers), max_leaves=4)
# A union of everything is only the whole, never a part.
ANY_TYPE = TYPES | unions(LEAVES)


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_values(tern, data):
    python_type, values = data.draw(ANY_TYPE)
    value = data.draw(values)
    literal_type, literal = literal_of(python_type, value)
    form = to_form(tern.endpoint, literal_type, literal)
    back = from_form(tern.endpoint, form)
    assert same(value, value_of(back, python_type)), (python_type, form, back)
    assert bare(back) == bare(literal)
    judge(json_format.MessageToDict(form), {"x": json_format.MessageToDict(default_of(form))})


# ---- MessagePack against its own package ----------------------------------------------------------------------------

PACKED = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT | st.binary(max_size=40),
                      lambda inner: st.lists(inner, max_size=20) | st.dictionaries(KEYS | st.integers(-99, 99), inner, max_size=20),
                      max_leaves=30)


def as_json(v):
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    if isinstance(v, dict):
        return {str(k): as_json(x) for k, x in v.items()}
    if isinstance(v, list):
        return [as_json(x) for x in v]
    return json_number(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else v


@settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(value=PACKED, cut=st.integers(0, 3))
def test_random_messagepack(tern, value, cut):
    try:
        packed = msgpack.dumps(value, use_single_float=cut == 3)
    except OverflowError:
        packed = msgpack.dumps(value)
    expected = as_json(msgpack.loads(packed, strict_map_key=False))
    if cut == 1 or (isinstance(value, dict) and len(as_json(value)) < len(value)):
        packed += b"\0" if cut == 1 else b""
        expected = base64.b64encode(packed).decode()  # not one value, or keys that JSON cannot tell apart
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=packed, tag="msgpack")))
    form = to_form(tern.endpoint, types_pb2.LiteralType(simple="STRUCT"), literal)
    got = json_format.MessageToDict(default_of(form))
    assert got == expected or twins(value), (got, expected)


def twins(v):
    """Whether a map inside has two keys that are one in JSON."""
    if isinstance(v, dict):
        return len({str(k) for k in v}) < len(v) or any(map(twins, v.values()))
    return isinstance(v, list) and any(map(twins, v))
