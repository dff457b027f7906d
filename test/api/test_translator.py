"""TranslatorService: values of the real SDK as launch forms and back, and what JSON Schema says of the forms."""
import asyncio
import datetime as dt
import enum
import json
import math
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union

import flyte
import flyte.io
import jsonschema
import msgpack
import pytest
import wire
from flyte.types import TypeEngine
from flyteidl2.core import interface_pb2, literals_pb2, types_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
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


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


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
    "int enum": (Level, Level.HIGH),
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
        for name in ("metadata", "annotation"):
            literal.scalar.union.type.ClearField(name)
        bare(literal.scalar.union.value)
    for inner in [*literal.collection.literals, *literal.map.literals.values()]:
        bare(inner)
    if literal.scalar.binary.tag == "msgpack":  # the order of its maps, and which of the forms of a number
        value = msgpack.loads(literal.scalar.binary.value, strict_map_key=False)
        literal.scalar.binary.value = json.dumps(text_keys(value), sort_keys=True, default=repr).encode()
    return literal


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


def judge(schema, value):
    """Whether the value is what the schema says, for a judge who has not written either. Forms say none with an object, and
    what a double cannot say with text; variants of a union may overlap, as whole numbers and numbers do."""
    def plain(v):
        if isinstance(v, dict):
            return None if v == {"type": "null"} else {k: plain(x) for k, x in v.items()}
        if isinstance(v, list):
            return [plain(x) for x in v]
        if v in ("NaN", "Infinity", "-Infinity"):
            return 0.5
        return int(v) if isinstance(v, str) and v.lstrip("-").isdigit() and abs(int(v)) > 2**53 else v

    def wide(s):
        if isinstance(s, dict):
            return {("anyOf" if k == "oneOf" else k): wide(v) for k, v in s.items()}
        return [wide(v) for v in s] if isinstance(s, list) else s

    judge_class = jsonschema.Draft202012Validator
    judge_class.check_schema(schema)
    judge_class(wide(schema)).validate(plain(value))


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
    schema = json_format.MessageToDict(task.fields["properties"].struct_value.fields["x"].struct_value)
    shown = json_format.MessageToDict(default_of(form))
    if name not in UNJUDGED:
        judge(schema, shown)
    if python_type is not type(None):
        assert form.fields["required"] == task.fields["required"]
