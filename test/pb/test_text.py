"""Messages from single texts (REST's paths and queries) against the official protobuf package: a random message, taken apart
into paths and texts, comes back whole; of single texts both read and refuse the same."""
import base64
import json
import math
import random
import re
import struct

from google.protobuf import json_format

from messages import FD, NUMBERS, Maker, all_types
from test_oracle import NAMES, canonical
from tool import INVALID_ARGUMENT, OK

TYPES = all_types()
RAW = {'google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.ListValue'}
OWN_FORM = RAW | {f'google.protobuf.{n}' for n in ['Timestamp', 'Duration', 'FieldMask'] + [
    f'{t}Value' for t in 'Double Float Int64 UInt64 Int32 UInt32 Bool String Bytes'.split()]}


def packed(pairs):
    parts = [part.encode('utf-8', 'surrogatepass') if isinstance(part, str) else part for pair in pairs for part in pair]
    return b''.join(struct.pack('<I', len(p)) + p for p in parts)


def is_map(f):
    return bool(f.message_type) and f.message_type.GetOptions().map_entry


def takes_number(f):
    name = f.message_type.name if f.message_type else ''
    return name.endswith('Value') and name not in ('BoolValue', 'StringValue', 'BytesValue', 'ListValue')


def text_of(r, f, value):
    """The value as one text; None when it has none."""
    if f.message_type:
        name = f.message_type.full_name
        if name not in OWN_FORM:
            return None
        form = json.loads(json_format.MessageToJson(value))
        return form if isinstance(form, str) and name not in RAW else json.dumps(form)
    if f.type == FD.TYPE_BOOL:
        return 'true' if value else 'false'
    if f.type == FD.TYPE_ENUM:
        known = f.enum_type.values_by_number.get(value)
        return known.name if known and r.random() < 0.7 else str(value)
    if f.type == FD.TYPE_BYTES:
        return r.choice([base64.b64encode, base64.urlsafe_b64encode])(value).decode()
    if f.type in (FD.TYPE_DOUBLE, FD.TYPE_FLOAT):
        return repr(value) if math.isfinite(value) else 'NaN' if math.isnan(value) else ('-' if value < 0 else '') + 'Infinity'
    return str(value)


def take_apart(r, m, prefix=''):
    """[(path, text)] of what texts can say; the rest is removed from m. Single fields inside keep the order of a client."""
    pairs = []
    for f, value in m.ListFields():
        path = prefix + r.choice([f.name, f.json_name])
        if is_map(f):
            key, item = (f.message_type.fields_by_name[n] for n in ('key', 'value'))
            texts = [(f'{path}[{text_of(r, key, k)}]', text_of(r, item, value[k])) for k in value]
        elif f.is_repeated:
            texts = [(path, text_of(r, f, v)) for v in value]
        elif f.message_type and f.message_type.full_name not in OWN_FORM and f.message_type.full_name != 'google.protobuf.Any':
            texts = take_apart(r, value, path + '.')
        else:
            texts = [(path, text_of(r, f, value))]
        if not texts or any(text is None for _, text in texts):
            m.ClearField(f.name)
        else:
            pairs += texts
    return pairs


def test_messages_come_back(tool):
    many = 0
    for i, name in NAMES:
        make = Maker(f'text {i}', TYPES, True)
        m = make.fill(TYPES[name]())
        if name in OWN_FORM or name == 'google.protobuf.Any':
            continue
        m.DiscardUnknownFields()
        pairs = take_apart(make.r, m)
        status, got = tool('t', name, packed(pairs))
        if len(pairs) > 500:
            assert status == INVALID_ARGUMENT and b'more than 500' in got
            continue
        assert status == OK, (name, got, pairs)
        assert canonical(TYPES[name].FromString(got)) == canonical(m), (name, pairs)
        many += len(pairs)
    assert many > 3000


TEXTS = ['', '0', '1', '-1', '+1', '1.5', '1e3', '1e-3', '1e400', '0x10', ' 1', '1 ', '01', '4294967296', '-2147483649',
         '18446744073709551616', '9223372036854775807', 'true', 'false', 'TRUE', 'null', 'NaN', 'nan', 'Infinity', '"1"', 'abc',
         'YQ==', 'YQ', 'Y', '!', 'COLOR_RED', 'COLOR_ROUGE', 'COLOR_BLUE', '7', '2147483647', '[]', '{}', '{"a":1}', '[1]',
         '2020-01-01T00:00:00Z', '2020-13-01T00:00:00Z', '2020-01-01', '1s', '1.5s', '-1s', 's', 'a,b', 'fooBar', 'foo_bar']


NO_ENUM = {'1.5', '1e3', '1e-3', '1e400', '4294967296', '-2147483649', '18446744073709551616', '9223372036854775807'}
# No numbers of JSON, or beyond a double; the official reader takes them for it goes by Python's int() and float().
LAX = {'+1', '01', 'nan', '1e400', ' 1', '1 '}


def expected(kind, f, text):
    """What the official reader makes of the JSON that the text stands for; None = refuses."""
    if (f.type == FD.TYPE_BYTES or (f.message_type and f.message_type.name == 'BytesValue')) and re.search('[^A-Za-z0-9+/=_-]', text):
        return None  # the official reader drops what is no base64
    raw = f.message_type and f.message_type.full_name in RAW
    if raw and text in ('NaN', 'Infinity'):
        return None  # Python's JSON
    if text in LAX and not (raw and text.strip() == '1') and (f.type in NUMBERS or f.type in (FD.TYPE_FLOAT, FD.TYPE_DOUBLE, FD.TYPE_ENUM) or takes_number(f)):
        return None
    forms = [json.dumps(text)]
    if f.type == FD.TYPE_BOOL or (f.message_type and f.message_type.full_name == 'google.protobuf.BoolValue'):
        forms = [text] if text in ('true', 'false') else []
    elif raw:
        forms = [text]
    elif f.type == FD.TYPE_ENUM and text.lstrip('-').isdigit() and str(int(text)) == text:
        forms = [text]
    for form in forms:
        try:
            return json_format.Parse(f'{{"{f.name}": {form}}}', kind())
        except Exception:
            pass
    return None


def test_single_texts(tool):
    kind, name = TYPES['kinds.All'], 'kinds.All'
    read = refused = 0
    for f in kind.DESCRIPTOR.fields:
        if f.is_repeated or is_map(f) or (f.message_type and f.message_type.full_name not in OWN_FORM) or \
                (f.enum_type and f.enum_type.name == 'NullValue'):
            continue
        for text in TEXTS:
            if f.type == FD.TYPE_ENUM and text in NO_ENUM:
                continue  # numbers that no client writes for an enum
            want = expected(kind, f, text)
            status, got = tool('t', name, packed([(f.name, text)]))
            assert (status == OK) == (want is not None), (f.name, text, got)
            if want is None:
                assert got.decode().startswith(f.name + ': '), got
                refused += 1
            else:
                assert canonical(kind.FromString(got)) == canonical(want), (f.name, text)
                read += 1
    assert read > 300 and refused > 300


def test_what_is_refused(tool):
    cases = [
        ([('nope', '1')], 'nope: kinds.All has no field "nope"'),
        ([('plain_all.nope', '1')], 'plain_all.nope: kinds.All has no field "nope"'),
        ([('plain_all', '{}')], 'plain_all: a message is not given by one text'),
        ([('any', '{}')], 'any: a message is not given by one text'),
        ([('any.type_url', 'x')], 'any.type_url: only fields inside a single message'),
        ([('many_all.plain_int32', '1')], 'many_all.plain_int32: only fields inside a single message'),
        ([('plain_string.x', '1')], 'plain_string.x: only fields inside a single message'),
        ([('wrapped_int32.value', '1')], 'wrapped_int32.value: only fields inside a single message'),
        ([('plain_int32', '1'), ('plainInt32', '1')], 'plainInt32: given twice'),
        ([('plain_all.plain_int32', '0'), ('plainAll.plain_int32', '0')], 'plainAll.plain_int32: given twice'),
        ([('one_int32', '1'), ('one_bool', 'true')], 'one_bool: another member of its oneof'),
        ([('one_int32', '1'), ('one_all.plain_int32', '1')], 'one_all.plain_int32: another member of its oneof'),
        ([('by_string', 'x')], 'by_string: an entry of a map'),
        ([('by_string[', 'x')], 'by_string[: an entry of a map'),
        ([('plain_string[a]', 'x')], 'plain_string[a]: an entry of a map'),
        ([('by_string[a].b', 'x')], 'by_string[a].b: an entry of a map'),
        ([('by_string[a]', 'x'), ('by_string[a]', 'y')], 'by_string[a]: given twice'),
        ([('by_int32[x]', 'x')], 'by_int32[x]: expected a number'),
        ([('of_all[a]', '{}')], 'of_all[a]: a message is not given by one text'),
        ([('', 'x')], ': kinds.All has no field ""'),
        ([('plain_all.', 'x')], 'plain_all.: kinds.All has no field ""'),
        ([('plain_string', b'\xff')], 'plain_string: not UTF-8'),
        ([(b'\xff', 'x')], 'a name: not UTF-8'),
        ([('many_int32', '1')] * 501, 'many_int32: more than 500 values'),
    ]
    for pairs, message in cases:
        status, got = tool('t', 'kinds.All', packed(pairs))
        assert status == INVALID_ARGUMENT and got.decode().startswith(message), (pairs[:2], got)


def test_map_keys_may_have_any_character(tool):
    keys = ['a.b', 'a]b', '[', ']', '', 'ä', 'b', 'a']
    random.Random(1).shuffle(keys)
    status, got = tool('t', 'kinds.All', packed([(f'by_string[{k}]', k + '!') for k in keys]))
    assert status == OK, got
    assert dict(TYPES['kinds.All'].FromString(got).by_string) == {k: k + '!' for k in keys}
