"""Reads a FileDescriptorSet (protoc --descriptor_set_out) into plain Python objects, with the standard library only.

Used by pbgen.py, swagger.py and openapi.py. Only what they need is kept; options that are extensions stay as bytes.
Comments are there when protoc was told --include_source_info.
"""
import struct
from dataclasses import dataclass, field

BOOL, STRING, MESSAGE, BYTES, ENUM, GROUP = 8, 9, 11, 12, 14, 10
REPEATED = 3


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def wire_fields(data):
    """Yields (field number, value): int for numbers, bytes for strings and messages."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from('<Q', data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from('<I', data, at)[0], at + 4
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f'wire type {kind} in a descriptor')
        yield tag >> 3, value


def wire_dict(data):
    """field number -> list of values"""
    out = {}
    for number, value in wire_fields(data):
        out.setdefault(number, []).append(value)
    return out


def signed(value):
    return value - (1 << 64) if value >> 63 else value


class Wire:
    """One message of a descriptor: typed access to the fields of wire_dict()."""

    def __init__(self, data):
        self.fields = wire_dict(data)

    def text(self, number):
        return self.fields[number][-1].decode() if number in self.fields else ''

    def int(self, number, default=0):
        return signed(self.fields[number][-1]) if number in self.fields else default

    def bytes(self, number):
        return b''.join(self.fields.get(number, []))  # concatenation is protobuf's merge

    def has(self, number):
        return number in self.fields

    def messages(self, number):
        return [Wire(v) for v in self.fields.get(number, [])]

    def texts(self, number):
        return [v.decode() for v in self.fields.get(number, [])]


@dataclass(eq=False)
class Field:
    name: str
    json_name: str
    number: int
    type: int
    repeated: bool
    optional: bool  # proto3 optional
    packed: bool
    type_name: str  # full name without the leading dot
    oneof: int  # index, -1 for none and for the synthetic ones of proto3 optional
    options: bytes
    comment: str


@dataclass(eq=False)
class Oneof:
    name: str
    options: bytes


@dataclass(eq=False)
class Message:
    full_name: str
    package: str
    path: list  # names from the file's scope down
    fields: list
    oneofs: list
    map_entry: bool
    options: bytes
    comment: str


@dataclass(eq=False)
class Enum:
    full_name: str
    package: str
    path: list
    values: list  # (name, number) in order of declaration
    comment: str
    value_comments: list


@dataclass(eq=False)
class Method:
    name: str
    input: str
    output: str
    client_stream: bool
    server_stream: bool
    options: bytes
    comment: str


@dataclass(eq=False)
class Service:
    full_name: str
    package: str
    name: str
    methods: list
    comment: str


@dataclass(eq=False)
class File:
    name: str
    package: str
    imports: list
    messages: list = field(default_factory=list)  # nested ones included, outer before inner
    enums: list = field(default_factory=list)
    services: list = field(default_factory=list)


PACKABLE_NOT = {STRING, MESSAGE, BYTES, GROUP}


class Comments:
    """Of one file: the comment before an element, an empty line, and the one behind it."""

    def __init__(self, w):
        self.texts = {}
        for at in Wire(w.bytes(9)).messages(1):
            texts = [text for text in (at.text(3), at.text(4)) if text]
            if texts:
                self.texts[tuple(packed_ints(at.fields.get(1, [])))] = '\n\n'.join(tidy(t) for t in texts)

    def of(self, place):
        return self.texts.get(place, '')


def tidy(text):
    return '\n'.join(line.removeprefix(' ') for line in text.strip('\n').split('\n')).strip()


def packed_ints(values):
    out = []
    for data in values:
        at = 0
        while at < len(data):
            value, at = read_varint(data, at)
            out.append(value)
    return out


def read_field(w, comment):
    options = Wire(w.bytes(8))
    oneof = w.int(9, -1)
    optional = bool(w.int(17))
    repeated = w.int(4) == REPEATED
    packed = repeated and w.int(5) not in PACKABLE_NOT and bool(options.int(2, 1))
    return Field(w.text(1), w.text(10), w.int(3), w.int(5), repeated, optional, packed, w.text(6).lstrip('.'),
                 -1 if optional else oneof, w.bytes(8), comment)


def read_enum(w, package, path, comments, place):
    path = path + [w.text(1)]
    values = [(v.text(1), v.int(2)) for v in w.messages(2)]
    return Enum('.'.join([package] + path), package, path, values, comments.of(place),
                [comments.of(place + (2, i)) for i in range(len(values))])


def read_message(w, file, path, comments, place):
    path = path + [w.text(1)]
    fields = [read_field(f, comments.of(place + (2, i))) for i, f in enumerate(w.messages(2))]
    if any(f.type == GROUP for f in fields):
        raise ValueError(f'{file.name}: groups are not supported')
    oneofs = [Oneof(o.text(1), o.bytes(2)) for o in w.messages(8)]
    options = w.bytes(7)
    file.messages.append(Message('.'.join([file.package] + path), file.package, path, fields, oneofs,
                                 bool(Wire(options).int(7)), options, comments.of(place)))
    for i, nested in enumerate(w.messages(3)):
        read_message(nested, file, path, comments, place + (3, i))
    file.enums += [read_enum(e, file.package, path, comments, place + (4, i)) for i, e in enumerate(w.messages(4))]


def read_service(w, package, comments, place):
    methods = [Method(m.text(1), m.text(2).lstrip('.'), m.text(3).lstrip('.'), bool(m.int(5)), bool(m.int(6)), m.bytes(4),
                      comments.of(place + (2, i)))
               for i, m in enumerate(w.messages(2))]
    return Service(f'{package}.{w.text(1)}', package, w.text(1), methods, comments.of(place))


def read_file(w):
    file = File(w.text(1), w.text(2), w.texts(3))
    file.proto3 = w.text(12) == 'proto3'
    comments = Comments(w)
    for i, message in enumerate(w.messages(4)):
        read_message(message, file, [], comments, (4, i))
    file.enums += [read_enum(e, file.package, [], comments, (5, i)) for i, e in enumerate(w.messages(5))]
    file.services = [read_service(s, file.package, comments, (6, i)) for i, s in enumerate(w.messages(6))]
    return file


def read_set(data):
    return [read_file(w) for w in Wire(data).messages(1)]
