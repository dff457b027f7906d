"""The codec against the official protobuf package, on random messages of every type: both must read and refuse the same
inputs, and mean the same by them. Seeds are fixed; PB_SEEDS=n tries n of them per type."""
import decimal
import json
import math
import os
import random
import struct

import pytest
from google.protobuf import json_format

from messages import Maker, all_types, mutate, unknown_field, varint
from tool import INVALID_ARGUMENT, OK, RESOURCE_EXHAUSTED

TYPES = all_types()
SEEDS = range(int(os.environ.get('PB_SEEDS', '1')))
# The type that has everything comes more often.
NAMES = list(enumerate(sorted(TYPES) + ['kinds.All'] * 20))


def canonical(m):
    """Deterministic bytes, also of what sits inside an Any: maps have no order."""
    copy = type(m)()
    copy.CopyFrom(m)
    settle_any(copy)
    return copy.SerializeToString(deterministic=True)


def settle_any(m):
    if m.DESCRIPTOR.full_name == 'google.protobuf.Any':
        kind = TYPES.get(m.type_url.split('/')[-1])
        if kind:
            inner = kind.FromString(m.value)
            settle_any(inner)
            m.value = inner.SerializeToString(deterministic=True)
        return
    for f, value in m.ListFields():
        if not f.message_type:
            continue
        if f.message_type.GetOptions().map_entry:
            if f.message_type.fields_by_name['value'].message_type:
                for k in value:
                    settle_any(value[k])
        else:
            for part in value if f.is_repeated else [value]:
                settle_any(part)


def parse(kind, data):
    try:
        return kind.FromString(data)
    except Exception:  # the upb and the pure Python form raise different ones
        return None


def to_json(m, **options):
    try:
        return json_format.MessageToJson(m, indent=None, **options)
    except Exception:
        return None


def from_json(kind, text):
    try:
        return json_format.Parse(text, kind())
    except Exception:
        return None


def check_binary(tool, name, data):
    kind = TYPES[name]
    want = parse(kind, data)
    status, got = tool('b', name, data)
    if status == INVALID_ARGUMENT and b'field number 0' in got:
        return None  # upb takes these in unknown fields, against the specification
    assert (status == OK) == (want is not None), (name, data.hex(), got)
    if status != OK:
        return False
    # Not byte for byte: upb sorts a key behind the longer one that it begins, unlike C++ and Go.
    assert canonical(parse(kind, got)) == canonical(want), (name, data.hex(), got.hex())
    assert tool('b', name, got) == (OK, got), 'not a fixed point'
    assert tool('c', name, data) == (OK, got), 'the clone differs'
    return True


@pytest.mark.parametrize('seed', SEEDS)
def test_binary(tool, seed):
    read = refused = 0
    for i, name in NAMES:
        make = Maker(f'binary {i} {seed}', TYPES)
        m = make.fill(TYPES[name]())
        data = m.SerializeToString(deterministic=True)
        more = make.fill(TYPES[name]()).SerializeToString()
        good = [data, m.SerializeToString(), data + more, data + unknown_field(make.r) + unknown_field(make.r)]
        for case in good:
            assert check_binary(tool, name, case)
        for _ in range(6):
            done = check_binary(tool, name, mutate(make.r, data))
            read += done is True
            refused += done is False
    assert read > 500 and refused > 500  # damaged inputs of both kinds were seen


def check_json_text(tool, name, text):
    kind = TYPES[name]
    want = from_json(kind, text)
    status, got = tool('p', name, text.encode())
    assert (status == OK) == (want is not None), (name, text, got)
    if status == OK:
        assert canonical(parse(kind, got)) == canonical(want), (name, text)
    return status == OK


@pytest.mark.parametrize('seed', SEEDS)
def test_json(tool, seed):
    written = refused = 0
    for i, name in NAMES:
        for safe in (True, False):
            m = Maker(f'json {i} {seed} {safe}', TYPES, safe).fill(TYPES[name]())
            want = to_json(m)
            status, got = tool('j', name, m.SerializeToString())
            assert (status == OK) == (want is not None), (name, got, str(m)[:1000])
            if status != OK:
                refused += 1
                continue
            written += 1
            again = from_json(TYPES[name], got.decode())
            assert again is not None and canonical(again) == canonical(from_json(TYPES[name], want)), (name, got)
            assert sorted_keys(got) == sorted_keys(want) or has_reals(want), (name, got, want)
            forms = [want, got.decode(), to_json(m, use_integers_for_enums=True),
                     to_json(m, preserving_proto_name=True, always_print_fields_with_no_presence=True),
                     json.dumps(json.loads(want), indent=2, ensure_ascii=False)]
            for text in forms:
                assert text is None or check_json_text(tool, name, text)
    assert written > 1000 and refused > 10


def sorted_keys(text):
    return json.dumps(json.loads(text), sort_keys=True)


def has_reals(text):
    """Numbers may be spelled 1 or 1.0."""
    return '.0' in text or 'e' in text


def outside_strings(text):
    """Positions of the text's structure. Inside strings Python's reader of times, base64 and numbers is laxer than the
    specification: test_json.py has tables for those."""
    out, inside, i = [], False, 0
    while i < len(text):
        if not inside:
            out.append(i)
        if inside and text[i] == '\\':
            i += 1
        elif text[i] == '"':
            inside = not inside
        i += 1
    return out + [len(text)]


TOKENS = list('{}[],:"\\truefalsn0123456789.eE+- \n\t\x01') + ['null', '[]', '{}', 'é', '"\\ud800"', '\x00', '//', '0']


def damage(r, text):
    """A text whose structure is damaged."""
    at = r.choice(outside_strings(text))
    kind = r.randrange(5)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + text[at + 1:]
    if kind == 2:
        return text[:at] + r.choice(TOKENS) + text[at + 1:]
    if kind == 3:
        return text.replace(':', ':null,"x":', 1)
    return text[:at] + r.choice(TOKENS) + text[at:]


@pytest.mark.parametrize('seed', SEEDS)
def test_damaged_json(tool, seed):
    read = refused = 0
    for i, name in NAMES:
        make = Maker(f'damage {i} {seed}', TYPES, True)
        text = to_json(make.fill(TYPES[name](), 2))
        if not text:
            continue
        for _ in range(4):
            bad = damage(make.r, text)
            status, got = tool('p', name, bad.encode())
            want = from_json(TYPES[name], bad)
            if b'not a whole number' in got or b'out of range' in got:  # Python: an enum's 1.5 is 1, a Value's 1e400 is inf
                continue
            assert (status == OK) == (want is not None), (name, bad, got)
            read += status == OK
            refused += status != OK
    assert refused > 500


def test_doubles_are_the_shortest(tool):
    r = random.Random(1)
    values = [2.0**e for e in range(-1074, 1024)] + [10.0**e for e in range(-323, 309)]
    values += [struct.unpack('<d', r.randbytes(8))[0] for _ in range(3000)] + [r.randrange(10**9) / 1000 for _ in range(500)]
    for v in values:
        if v != 0 and math.isfinite(v):
            kind = TYPES['google.protobuf.DoubleValue']
            _, got = tool('j', 'google.protobuf.DoubleValue', kind(value=v).SerializeToString())
            assert decimal.Decimal(got.decode()).normalize() == decimal.Decimal(repr(v)).normalize(), (v, got)


DEEP = 'google.protobuf.Value'


@pytest.mark.parametrize('depth,ok', [(48, True), (50, True), (51, False), (400, False), (100000, False)])
def test_depth(tool, depth, ok):
    text = '[' * depth + ']' * depth
    status, got = tool('p', DEEP, text.encode())
    assert (status == OK) == ok, got
    data = b''
    for _ in range(min(depth, 2000)):
        data = wrap(data)
    assert (tool('b', DEEP, data)[0] == OK) == ok


def length(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def wrap(inner):
    """A Value whose list_value holds the Value `inner`."""
    return length(6, length(1, inner))


def test_depth_agrees_with_protobuf(tool):
    for depth in range(40, 60):
        data = b''
        for _ in range(depth):
            data = wrap(data)
        check_binary(tool, DEEP, data)


def test_groups_nest_as_deep(tool):
    for depth in (90, 99, 100, 101, 102, 5000):
        check_binary(tool, 'google.protobuf.Empty', b'\x0b' * depth + b'\x0c' * depth)


def test_memory_is_bounded(tool):
    """Two bytes of input per empty message: the arena's cap ends it, not the machine's memory."""
    status, text = tool('b', 'google.protobuf.ListValue', b'\x0a\x00' * 8_000_000)
    assert status == RESOURCE_EXHAUSTED, text
    status, text = tool('p', 'google.protobuf.ListValue', b'[' + b'[],' * 5_000_000 + b'0]')
    assert status == RESOURCE_EXHAUSTED, text
