"""Random messages of every type of the IDL, for the differential tests against the official protobuf package."""
import importlib
import math
import os
import pkgutil
import random
import struct

import flyteidl2
from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.rpc import error_details_pb2, status_pb2

FD = descriptor.FieldDescriptor
EXTRA = [any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2, error_details_pb2,
         status_pb2]

I32 = [0, 1, -1, 127, 128, 300, 2**31 - 1, -2**31]
I64 = I32 + [2**53 + 1, 2**63 - 1, -2**63]
U32 = [0, 1, 127, 128, 2**31, 2**32 - 1]
U64 = U32 + [2**53 + 1, 2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 1e21, 123456789.0, 3.4e38, 1e-45, math.inf, -math.inf, math.nan]
DOUBLES = FLOATS + [3.4028234663852886e38, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e15, 1e16, 1e17, 2.0**53, -1e-300, 1 / 3]
STRINGS = ['', 'a', 'hello world', '\x00', '"\\/\b\f\n\r\t', '\x1f\x7f', 'äöü', '€', '\u2028\u2029', '\U0001f600', '<b>&\'',
           'x' * 200, '\ufeff\ufffe\uffff', 'NaN', '-1']
NUMBERS = {FD.TYPE_INT32: I32, FD.TYPE_SINT32: I32, FD.TYPE_SFIXED32: I32, FD.TYPE_INT64: I64, FD.TYPE_SINT64: I64,
           FD.TYPE_SFIXED64: I64, FD.TYPE_UINT32: U32, FD.TYPE_FIXED32: U32, FD.TYPE_UINT64: U64, FD.TYPE_FIXED64: U64}


def modules():
    found = [m.name for m in pkgutil.walk_packages(flyteidl2.__path__, 'flyteidl2.') if m.name.endswith('_pb2')]
    return [importlib.import_module(n) for n in sorted(found)] + EXTRA


def kinds_file():
    """test/pb/proto/kinds.proto as the generator compiled it."""
    pool = descriptor_pool.Default()
    with open(f"{os.environ.get('BUILD', 'build')}/gen/kinds_idl.binpb", 'rb') as f:
        for file in descriptor_pb2.FileDescriptorSet.FromString(f.read()).file:
            if file.package == 'kinds':
                pool.Add(file) if hasattr(pool, 'Add') else pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName('kinds.proto')


def all_types():
    """full name -> message class, nested types included, map entries not."""
    out = {}

    def add(d):
        if not d.GetOptions().map_entry:
            out[d.full_name] = message_factory.GetMessageClass(d)
        for nested in d.nested_types:
            add(nested)

    for file in [m.DESCRIPTOR for m in modules()] + [kinds_file()]:
        for d in file.message_types_by_name.values():
            add(d)
    return out


class Maker:
    def __init__(self, seed, types, json_safe=False):
        self.r = random.Random(seed)
        self.types = types
        self.json_safe = json_safe  # only values that ProtoJSON can say

    def scalar(self, f):
        r = self.r
        if f.type in NUMBERS:
            values = NUMBERS[f.type]
            return r.choice(values) if r.random() < 0.7 else r.randint(min(values), max(values))
        if f.type == FD.TYPE_BOOL:
            return r.random() < 0.5
        if f.type in (FD.TYPE_DOUBLE, FD.TYPE_FLOAT):
            return self.real(f.type == FD.TYPE_FLOAT)
        if f.type == FD.TYPE_ENUM:
            known = [v.number for v in f.enum_type.values]
            return r.choice(known) if r.random() < 0.8 else r.choice(I32)
        if f.type == FD.TYPE_BYTES:
            return bytes(r.randrange(256) for _ in range(r.randrange(8)))
        text = r.choice(STRINGS)
        return text if r.random() < 0.7 else text + ''.join(chr(r.randrange(32, 0x800)) for _ in range(r.randrange(6)))

    def real(self, single):
        r = self.r
        if r.random() < 0.6:
            value = r.choice(FLOATS if single else DOUBLES)
        elif single:
            value = struct.unpack('<f', r.randbytes(4))[0]
        else:
            value = struct.unpack('<d', r.randbytes(8))[0]
        return struct.unpack('<f', struct.pack('<f', value))[0] if single else value

    def well_known(self, m):
        """Fills the types with a JSON form of their own so that they have one; True when m is such a type."""
        r, name = self.r, m.DESCRIPTOR.full_name
        if name == 'google.protobuf.Timestamp':
            m.seconds = r.choice([0, 1, -1, 1700000000, -62135596800, 253402300799, r.randint(-62135596800, 253402300799)])
            m.nanos = r.choice([0, 1, 999999999, 500000000, 123000, 120000000])
        elif name == 'google.protobuf.Duration':
            sign = r.choice([1, -1])
            m.seconds = sign * r.choice([0, 1, 3600, 315576000000, r.randint(0, 315576000000 - 1)])
            m.nanos = 0 if abs(m.seconds) == 315576000000 else sign * r.choice([0, 1, 999999999, 500000000, 123000])
        elif name == 'google.protobuf.FieldMask':
            m.paths.extend(r.choice(['a', 'foo_bar', 'a.b_c.d', 'x_y_z']) for _ in range(r.randrange(4)))
        elif name == 'google.protobuf.Value':
            self.value(m, 0)
        elif name == 'google.protobuf.ListValue':
            for _ in range(r.randrange(4)):
                self.value(m.values.add(), 1)
        elif name == 'google.protobuf.Any':
            if r.random() < 0.9:
                kind = r.choice(sorted(self.types)) if r.random() < 0.5 else r.choice(
                    ['google.protobuf.Duration', 'google.protobuf.Struct', 'google.protobuf.StringValue',
                     'google.protobuf.Empty', 'google.protobuf.Any', 'google.protobuf.Value'])
                inner = self.types[kind]()
                self.fill(inner, 2)
                m.type_url = 'type.googleapis.com/' + kind
                m.value = inner.SerializeToString(deterministic=True)
        else:
            return False
        return True

    def value(self, m, depth):
        r = self.r
        kind = r.randrange(6 if depth < 3 else 4)
        if kind == 0:
            m.null_value = 0
        elif kind == 1:
            v = self.real(False)
            m.number_value = v + 0.0 if math.isfinite(v) else 1.25  # Python writes -0.0 here as 0
        elif kind == 2:
            m.string_value = r.choice(STRINGS)
        elif kind == 3:
            m.bool_value = r.random() < 0.5
        elif kind == 4:
            m.struct_value.SetInParent()
            for _ in range(r.randrange(3)):
                self.value(m.struct_value.fields[r.choice(STRINGS)], depth + 1)
        else:
            m.list_value.SetInParent()
            for _ in range(r.randrange(3)):
                self.value(m.list_value.values.add(), depth + 1)

    def fill(self, m, depth=4):
        if m.DESCRIPTOR.full_name == 'kinds.All':
            depth = min(depth, 1)  # it holds itself in many fields
        if self.json_safe and self.well_known(m):
            return m
        if m.DESCRIPTOR.full_name == 'google.protobuf.FieldMask':  # in ASCII: Python refuses capitals of every script
            m.paths.extend(self.r.choice(['a', 'foo_bar', 'A', 'a__b', 'a_', '', 'a_1', '"']) for _ in range(2))
            return m
        dense = self.r.choice([0.2, 0.5, 0.9])
        for f in m.DESCRIPTOR.fields:
            if self.r.random() < dense:
                self.field(m, f, depth)
        return m

    def field(self, m, f, depth):
        r = self.r
        if f.message_type and f.message_type.GetOptions().map_entry:
            self.map(m, f, depth)
        elif f.is_repeated:
            for _ in range(r.choice([0, 1, 2, 3, 9])):
                if f.message_type:
                    if depth > 0:
                        self.fill(getattr(m, f.name).add(), depth - 1)
                else:
                    getattr(m, f.name).append(self.scalar(f))
        elif f.message_type:
            if depth > 0:
                getattr(m, f.name).SetInParent()
                self.fill(getattr(m, f.name), depth - 1)
        else:
            setattr(m, f.name, self.scalar(f))

    def map(self, m, f, depth):
        key, value = f.message_type.fields_by_name['key'], f.message_type.fields_by_name['value']
        for _ in range(self.r.choice([0, 1, 2, 5])):
            k = self.scalar(key)
            if not value.message_type:
                getattr(m, f.name)[k] = self.scalar(value)
            elif depth > 0:
                self.fill(getattr(m, f.name)[k], depth - 1)


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def unknown_field(r):
    """One well-formed field that no schema of ours has."""
    number = r.choice([900, 20001, 99999, 2**29 - 2])
    wire = r.choice([0, 1, 2, 3, 5])
    tag = varint(number << 3 | wire)
    if wire == 0:
        return tag + varint(r.choice(U64))
    if wire == 1:
        return tag + r.randbytes(8)
    if wire == 5:
        return tag + r.randbytes(4)
    if wire == 2:
        n = r.randrange(20)
        return tag + varint(n) + r.randbytes(n)
    return tag + varint(1 << 3) + varint(7) + varint(number << 3 | 4)


def mutate(r, data):
    """A damaged copy: cut, flipped, duplicated, joined."""
    data = bytearray(data)
    for _ in range(r.choice([1, 1, 2, 4])):
        kind = r.randrange(6)
        at = r.randrange(len(data) + 1)
        if kind == 0:
            del data[at:]
        elif kind == 1 and data:
            data[at % len(data)] ^= 1 << r.randrange(8)
        elif kind == 2 and data:
            data[at % len(data)] = r.choice([0, 1, 0x7f, 0x80, 0xff, r.randrange(256)])
        elif kind == 3:
            data[at:at] = unknown_field(r)
        elif kind == 4 and data:
            end = min(len(data), at + r.randrange(1, 12))
            data += data[at:end]
        else:
            data[at:at] = r.randbytes(r.randrange(1, 4))
    return bytes(data)
