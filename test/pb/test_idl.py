"""Our idl/ is the published IDL: every symbol of the flyteidl2 package, compared one by one (D-54)."""
import importlib
import os

import pytest
from google.protobuf import descriptor_pb2

from messages import modules

BUILD = os.environ.get('BUILD', 'build')


def ours():
    # Importing what declares options makes them readable, so that rules are compared as rules and not as bytes.
    importlib.import_module('google.api.annotations_pb2')
    importlib.import_module('buf.validate.validate_pb2')
    modules()
    with open(f'{BUILD}/gen/idl.binpb', 'rb') as f:
        return {x.name: x for x in descriptor_pb2.FileDescriptorSet.FromString(f.read()).file}


OURS = ours()
THEIRS = {}
for m in modules():
    if m.DESCRIPTOR.name.startswith('flyteidl2/'):
        file = descriptor_pb2.FileDescriptorProto()
        m.DESCRIPTOR.CopyToProto(file)
        THEIRS[file.name] = file


def clear_empty(options_holder):
    if options_holder.HasField('options') and not options_holder.options.ListFields():
        options_holder.ClearField('options')


def symbols(file):
    """full name -> what it is, for everything that a file declares; comments and file options are not part of it."""
    out = {}

    def put(scope, x):
        clear_empty(x)
        name = f'{scope}.{x.name}'
        assert name not in out
        out[name] = x
        return name

    def enum(scope, e):
        inner = f'{scope}.{e.name}'
        for v in e.value:
            put(inner, v)
        del e.value[:]
        put(scope, e)

    def message(scope, m):
        inner = f'{scope}.{m.name}'
        for f in m.field:
            f.ClearField('json_name')  # derived from the name; compared below where it is not
            put(inner, f)
        for o in m.oneof_decl:
            put(inner, o)
        for n in m.nested_type:
            message(inner, n)
        for e in m.enum_type:
            enum(inner, e)
        for field in ('field', 'oneof_decl', 'nested_type', 'enum_type'):
            m.ClearField(field)
        put(scope, m)

    for m in file.message_type:
        message(file.package, m)
    for e in file.enum_type:
        enum(file.package, e)
    for x in file.extension:
        put(file.package, x)
    for s in file.service:
        inner = f'{file.package}.{s.name}'
        for method in s.method:
            put(inner, method)
        del s.method[:]
        put(file.package, s)
    return out


def test_all_files_are_there():
    assert len(THEIRS) == 86
    assert set(THEIRS) == {n for n in OURS if n.startswith('flyteidl2/')}


@pytest.mark.parametrize('name', sorted(THEIRS))
def test_file(name):
    ours, theirs = OURS[name], THEIRS[name]
    assert ours.package == theirs.package
    assert ours.syntax == theirs.syntax
    assert ours.options.go_package == theirs.options.go_package
    assert json_names(ours) == json_names(theirs)
    a, b = symbols(ours), symbols(theirs)
    assert set(a) == set(b)
    for symbol in a:
        assert a[symbol] == b[symbol], symbol


def test_rules_are_readable():
    run = next(m for m in ours()['flyteidl2/common/identifier.proto'].message_type if m.name == 'ActionIdentifier')
    assert run.field[0].options.Extensions[importlib.import_module('buf.validate.validate_pb2').field].required


def json_names(file):
    def walk(m):
        yield from ((m.name, f.name, f.json_name) for f in m.field)
        for n in m.nested_type:
            yield from walk(n)

    return [x for m in file.message_type for x in walk(m)]
