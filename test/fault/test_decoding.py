"""16 MiB of the worst forms (D-34): a message that becomes very large when it is read is refused, the server's memory stays
within what its limits say, and everybody else is served meanwhile."""
import re
import zlib

import pytest

import wire
import world
from wire import field, varint

pytestmark = pytest.mark.quick

SIZE = 16 << 20
MESSAGE = 64 << 20  # limits.message_bytes
ARENA = 256 << 20  # of one call (src/rpc/call.c)
AT_ONCE = 2
# Of each call what is made of it, the message inflated, and as it came; then the server itself and what malloc keeps.
MOST = AT_ONCE * (ARENA + MESSAGE + SIZE) + (64 << 20)
FORM = "/flyteidl2.workflow.TranslatorService/LiteralsToLaunchFormJson"
CREATE = wire.RUNS + "CreateRun"


# ---- the forms ------------------------------------------------------------------------------------------------------


def filled(piece):
    """The piece again and again."""
    return piece * (SIZE // len(piece))


def nested(*numbers):
    """A message in a message, by these fields in turn, around much of what nobody knows."""
    heads, size = [], SIZE
    for i in range(100_000):
        heads.append(varint(numbers[i % len(numbers)] << 3 | 2) + varint(size))
        size += len(heads[-1])
    return b"".join(reversed(heads)) + field(1000, bytes(SIZE - 6))


def entries(form):
    """As many different keys as there is room for."""
    each = len(form % 0)
    return [form % i for i in range(SIZE // each)]


def packed(value):
    """A value of that MessagePack, for an input x of type STRUCT."""
    binary = field(1, value) + field(2, b"msgpack")
    literal = field(1, field(3, binary))  # scalar.binary
    variable = field(1, b"\x08\x09")  # type.simple
    return field(1, field(1, b"x") + field(2, literal)) + field(2, field(1, field(1, b"x") + field(2, variable)))


def bomb():
    """gzip of so many zeros that they are 16 MiB when packed: the same block again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + filled(block)


RUN_INPUTS, RUN_SPEC, LABELS, VALUES = 4, 5, 1, 1
JSON, PROTO = "application/json", "application/proto"
FORMS = {
    "nested messages": (CREATE, PROTO, lambda: field(RUN_INPUTS, field(1, field(2, nested(1, 2))))),
    "nested groups": (CREATE, PROTO, lambda: filled(varint(1000 << 3 | 3))),
    "empty messages": (CREATE, PROTO, lambda: field(RUN_INPUTS, filled(field(1, b"")))),
    "map entries": (CREATE, PROTO, lambda: field(RUN_SPEC, field(LABELS, b"".join(entries(b"\x0a\x08\x0a\x06%06x"))))),
    "empty map entries": (CREATE, PROTO, lambda: field(RUN_SPEC, field(LABELS, filled(field(VALUES, b""))))),
    "JSON arrays": (CREATE, JSON, lambda: filled(b"[")),
    "JSON objects": (CREATE, JSON, lambda: filled(b'{"a":')),
    "JSON literals": (CREATE, JSON, lambda: b'{"inputs":{"literals":[{"value":' + filled(b'{"collection":{"literals":[')),
    "empty JSON objects": (CREATE, JSON, lambda: b'{"inputs":{"literals":[' + filled(b"{},") + b"{}]}}"),
    "JSON map entries": (CREATE, JSON, lambda: b'{"runSpec":{"labels":{"values":{' + b",".join(entries(b'"%06x":""')) + b"}}}}"),
    "MessagePack arrays": (FORM, PROTO, lambda: packed(filled(b"\x91"))),
    "MessagePack nils": (FORM, PROTO, lambda: packed(b"\xdd" + (SIZE - 5).to_bytes(4, "big") + bytes([0xC0]) * (SIZE - 5))),
    "MessagePack maps": (FORM, PROTO, lambda: packed(b"\xdd" + (SIZE - 5).to_bytes(4, "big") + bytes([0x80]) * (SIZE - 5))),
    "MessagePack counts": (FORM, PROTO, lambda: packed(filled(b"\xdd\xff\xff\xff\xff"))),
    "gzip": (CREATE, PROTO, bomb),
}


# ---- what becomes of them -------------------------------------------------------------------------------------------


def peak(pid):
    """The most memory that the process ever had."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", world.read(f"/proc/{pid}/status").decode())[1]) << 10


@pytest.mark.parametrize("form", FORMS)
def test_the_worst_forms(shared, form):
    path, kind, make = FORMS[form]
    body = make()
    headers = {"Content-Encoding": "gzip"} if form == "gzip" else {}

    def send():
        return wire.post(shared.endpoint, path, body, content_type=kind, headers=headers)

    with world.Meanwhile(lambda: wire.projects(shared.endpoint)) as others:
        answers = [one.result() for one in [world.Later(send) for _ in range(AT_ONCE)]]
        others.served()
    print(f"{form}: {len(body) >> 20} MiB, {answers[0]}, peak {peak(shared.process.pid) >> 20} MiB, {others.count} others")
    assert {a.code for a in answers} <= {"resource_exhausted", "invalid_argument"}, answers
    assert all(a.message for a in answers)
    assert peak(shared.process.pid) <= MOST
