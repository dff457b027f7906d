"""The published IDL: the flyteidl2 package, to be compared with symbol by symbol (D-54)."""
import importlib

from google.protobuf import descriptor_pb2

from messages import modules

# Importing what declares options makes them readable, so that rules are compared as rules and not as bytes.
importlib.import_module('google.api.annotations_pb2')
importlib.import_module('buf.validate.validate_pb2')


def published():
    out = {}
    for m in modules():
        if m.DESCRIPTOR.name.startswith('flyteidl2/'):
            file = descriptor_pb2.FileDescriptorProto()
            m.DESCRIPTOR.CopyToProto(file)
            out[file.name] = file
    return out


FILES = published()


def clear_empty(options_holder):
    if options_holder.HasField('options') and not options_holder.options.ListFields():
        options_holder.ClearField('options')


def symbols(file):
    """full name -> what it is, for everything that a file declares; comments and file options are not part of it."""
    file = descriptor_pb2.FileDescriptorProto.FromString(file.SerializeToString())
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


def json_names(file):
    def walk(m):
        yield from ((m.name, f.name, f.json_name) for f in m.field)
        for n in m.nested_type:
            yield from walk(n)

    return [x for m in file.message_type for x in walk(m)]


def assert_published(file):
    """The file declares what the published one of its name does."""
    theirs = FILES[file.name]
    assert file.package == theirs.package
    assert file.syntax == theirs.syntax
    assert file.options.go_package == theirs.options.go_package
    assert json_names(file) == json_names(theirs)
    a, b = symbols(file), symbols(theirs)
    assert set(a) == set(b)
    for symbol in a:
        assert a[symbol] == b[symbol], symbol
