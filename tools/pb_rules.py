"""Turns the buf.validate options of a descriptor set into rows for pb_validate() (src/pb/validate.c).

Used by pbgen.py. src/pb/validate_exceptions.def says which rules are not enforced and why; a row that matches nothing is
an error, as is a rule that this generator does not know.
"""
import re
import struct

import pb_descriptor as pd

EXTENSION = 1159  # buf.validate.field, .message and .oneof
REQUIRED, IGNORE, CEL = 25, 27, 23
IF_ZERO, ALWAYS = 1, 3
MESSAGE_LEVEL = 0xffff
# number in FieldRules -> (name, how its numbers are read)
NUMERIC = {1: 'float', 2: 'double', 3: 'int32', 4: 'int64', 5: 'uint32', 6: 'uint64', 7: 'sint32', 8: 'sint64',
           9: 'fixed32', 10: 'fixed64', 11: 'sfixed32', 12: 'sfixed64'}
BOUNDS = {2: 'LT', 3: 'LTE', 4: 'GT', 5: 'GTE'}
DURATION_BOUNDS = {3: 'LT', 4: 'LTE', 5: 'GT', 6: 'GTE'}
STRING, BYTES, ENUM, REPEATED, MAP, DURATION = 14, 15, 16, 18, 19, 21
ENCODED_SIGNED = {'sint32', 'sint64'}


class Rule:
    def __init__(self, field, target, op, arg, name):
        self.field, self.target, self.op, self.arg, self.name = field, target, op, arg, name


def zigzag(v):
    return v >> 1 ^ -(v & 1)


def number(kind, raw):
    """A bound as a C expression for the union member that the kind of field uses."""
    if kind == 'double':
        return f'.f = {struct.unpack("<d", struct.pack("<Q", raw))[0]!r}'
    if kind == 'float':
        return f'.f = {struct.unpack("<f", struct.pack("<I", raw))[0]!r}'
    if kind in ('uint32', 'uint64', 'fixed32', 'fixed64'):
        return f'.u = UINT64_C({raw})'
    if kind in ENCODED_SIGNED:
        return f'.i = INT64_C({zigzag(raw)})'
    if kind == 'sfixed32':
        raw = raw - (1 << 32) if raw >> 31 else raw
    return f'.i = INT64_C({pd.signed(raw)})'


def int_list(data_list):
    """Packed or not, as signed numbers."""
    out = []
    for item in data_list:
        if isinstance(item, int):
            out.append(pd.signed(item))
            continue
        at = 0
        while at < len(item):
            value, at = pd.read_varint(item, at)
            out.append(pd.signed(value))
    return out


class Reader:
    """Collects the rules of one message."""

    def __init__(self, message, c_string):
        self.message, self.c_string, self.rules, self.skip = message, c_string, [], set()

    def unknown(self, what, number_):
        raise SystemExit(f'pb_rules: {self.message.full_name}: no code for rule {number_} of {what}')

    def add(self, field, target, op, arg, name):
        self.rules.append(Rule(field, target, op, arg, name))

    def bounds(self, index, target, kind, rules, table):
        for n, values in rules.items():
            if n not in table:
                self.unknown(kind, n)
            self.add(index, target, table[n], number(kind, values[-1]), table[n].lower())

    def duration(self, index, target, rules):
        for n, values in rules.items():
            if n not in DURATION_BOUNDS:
                self.unknown('duration', n)
            bound = pd.Wire(values[-1])
            nanos = bound.int(1) * 1_000_000_000 + bound.int(2)
            self.add(index, target, DURATION_BOUNDS[n], f'.i = INT64_C({nanos})', DURATION_BOUNDS[n].lower())

    def string(self, index, target, rules):
        lengths = {2: 'MIN_LEN', 3: 'MAX_LEN', 19: 'LEN'}
        for n, values in rules.items():
            if n in lengths:
                self.add(index, target, lengths[n], f'.u = {values[-1]}', lengths[n].lower())
            elif n == 6:
                self.add(index, target, 'PATTERN', '.s = ' + self.c_string(values[-1]), 'pattern')
            elif n == 17 and values[-1]:
                self.add(index, target, 'URI', '.u = 0', 'uri')
            else:
                self.unknown('string', n)

    def bytes(self, index, target, rules):
        lengths = {2: 'MIN_BYTES', 3: 'MAX_BYTES', 13: 'BYTES'}
        for n, values in rules.items():
            if n not in lengths:
                self.unknown('bytes', n)
            self.add(index, target, lengths[n], f'.u = {values[-1]}', lengths[n].lower().replace('bytes', 'len'))

    def enum(self, index, target, rules):
        for n, values in rules.items():
            if n == 2 and values[-1]:
                self.add(index, target, 'DEFINED', '.u = 0', 'defined_only')
            elif n in (3, 4):
                op = {3: 'IN', 4: 'NOT_IN'}[n]
                listed = ', '.join(map(str, int_list(values)))
                count = len(int_list(values))
                self.add(index, target, op, f'.list = (const int32_t[]){{{count}, {listed}}}', op.lower())
            else:
                self.unknown('enum', n)

    def counts(self, index, what, rules, names):
        for n, values in rules.items():
            if n in names:
                self.add(index, 'VALUE', names[n], f'.u = {values[-1]}', names[n].lower())
            elif n not in (4, 5):
                self.unknown(what, n)

    def field_rules(self, index, target, data):
        """data: a serialized buf.validate.FieldRules."""
        rules = pd.wire_dict(data)
        for n, values in rules.items():
            # Parts of one message that are set by several options are merged by joining them.
            inner = pd.wire_dict(b''.join(values)) if isinstance(values[-1], bytes) and n != CEL else {}
            if n == REQUIRED:
                if values[-1]:
                    self.add(index, target, 'REQUIRED', '.u = 0', 'required')
            elif n == IGNORE:
                self.skip.add(index) if values[-1] == ALWAYS else self.add(index, target, 'ZERO_OK', '.u = 0', 'ignore')
            elif n == CEL:
                for cel in values:
                    self.add(index, target, 'CEL', '.s = ' + self.c_string(pd.Wire(cel).text(1).encode()), 'cel')
            elif n in NUMERIC:
                self.bounds(index, target, NUMERIC[n], inner, BOUNDS)
            elif n == STRING:
                self.string(index, target, inner)
            elif n == BYTES:
                self.bytes(index, target, inner)
            elif n == ENUM:
                self.enum(index, target, inner)
            elif n == DURATION:
                self.duration(index, target, inner)
            elif n == REPEATED:
                self.counts(index, 'repeated', {k: v for k, v in inner.items() if k != 3},
                            {1: 'MIN_ITEMS', 2: 'MAX_ITEMS'})
                self.field_rules(index, 'ITEM', b''.join(inner.get(4, [])))
                if inner.get(3, [0])[-1]:
                    self.add(index, 'VALUE', 'UNIQUE', '.u = 0', 'unique')
            elif n == MAP:
                self.counts(index, 'map', inner, {1: 'MIN_PAIRS', 2: 'MAX_PAIRS'})
                self.field_rules(index, 'KEY', b''.join(inner.get(4, [])))
                self.field_rules(index, 'MAP_VALUE', b''.join(inner.get(5, [])))
            else:
                self.unknown('field', n)

    def message_rules(self, data):
        for n, values in pd.wire_dict(data).items():
            if n != 3:
                self.unknown('message', n)
            for cel in values:
                self.add(MESSAGE_LEVEL, 'VALUE', 'CEL', '.s = ' + self.c_string(pd.Wire(cel).text(1).encode()), 'cel')

    def read(self):
        fields = sorted(self.message.fields, key=lambda f: f.number)
        for i, f in enumerate(fields):
            data = pd.Wire(f.options).bytes(EXTENSION)
            if data:
                self.field_rules(i, 'VALUE', data)
        for o, oneof in enumerate(self.message.oneofs):
            data = pd.Wire(oneof.options).bytes(EXTENSION)
            if data and pd.Wire(data).int(1):
                first = next(i for i, f in enumerate(fields) if f.oneof == o)
                self.add(first, 'VALUE', 'ONEOF', '.s = ' + self.c_string(oneof.name.encode()), 'oneof')
        data = pd.Wire(self.message.options).bytes(EXTENSION)
        if data:
            self.message_rules(data)
        return self


ROW = re.compile(r'^EXCEPT\(\s*"([^"]+)",\s*"([^"]+)",\s*(\w+),\s*"[^"]+"\)', re.M)


class Exceptions:
    """The rows of validate_exceptions.def."""

    def __init__(self, path):
        with open(path) as f:
            text = re.sub(r'"\s*\n\s*"', '', f.read())
        self.rows = ROW.findall(text)
        if len(self.rows) != text.count('EXCEPT(') - text.count('* EXCEPT('):
            raise SystemExit(f'pb_rules: {path}: a row that is not understood')
        self.used = set()

    def match(self, message, field, what):
        for row in self.rows:
            type_name, field_name, rule = row
            if type_name in ('*', message.full_name) and field_name == field and rule == what:
                self.used.add(row)
                return True
        return False

    def apply(self, message, rules, skip, fields):
        """Drops what is excepted; adds fields to skip whose messages are not looked into."""
        out = []
        for rule in rules:
            name = fields[rule.field].name if rule.field != MESSAGE_LEVEL else ''
            prefix = {'ITEM': 'items_', 'KEY': 'keys_', 'MAP_VALUE': 'values_'}.get(rule.target, '')
            if not self.match(message, name, prefix + rule.name):
                out.append(rule)
        for i, f in enumerate(fields):
            if self.match(message, f.name, 'nested'):
                skip.add(i)
            if any(r.field == i for r in out) and self.match(message, f.name, 'zero'):
                out.append(Rule(i, 'VALUE', 'ZERO_OK', '.u = 0', 'ignore'))
        return out

    def check_used(self):
        unused = [row for row in self.rows if row not in self.used]
        if unused:
            raise SystemExit(f'pb_rules: exceptions without a rule: {unused}')


class Rules:
    """Rules of all messages, and which messages have any, themselves or below."""

    def __init__(self, messages, exceptions, c_string):
        self.rules, self.skip, inside = {}, {}, {}
        for m in messages:
            fields = sorted(m.fields, key=lambda f: f.number)
            reader = Reader(m, c_string).read()
            rules = exceptions.apply(m, reader.rules, reader.skip, fields) if exceptions else reader.rules
            rules += [Rule(i, 'VALUE', 'NOT_INSIDE', '.u = 0', 'nested') for i in reader.skip]
            order = {'NOT_INSIDE': 0, 'ZERO_OK': 0, 'REQUIRED': 1}
            # Rules of a field stand together; those of its items before UNIQUE, which relies on them for its bound.
            self.rules[m.full_name] = sorted(rules, key=lambda r: (r.field, order.get(r.op, 3 if r.op == 'UNIQUE' else 2)))
            self.skip[m.full_name] = {fields[i].name for i in reader.skip}
            inside[m.full_name] = [f.type_name for f in m.fields
                                   if f.type == pd.MESSAGE and f.name not in self.skip[m.full_name]]
        if exceptions:
            exceptions.check_used()
        self.checked = {n for n, r in self.rules.items() if r}
        grew = True
        while grew:
            more = {n for n, below in inside.items() if n not in self.checked and self.checked & set(below)}
            grew = bool(more)
            self.checked |= more

    def check_rows(self, m):
        """A row for each field of the message that validation looks at."""
        rules, out = self.rules.get(m.full_name, []), []
        for i, f in enumerate(sorted(m.fields, key=lambda f: f.number)):
            own = [n for n, r in enumerate(rules) if r.field == i]
            if own or (f.type_name in self.checked and f.name not in self.skip[m.full_name]):
                out.append(f'    {{{i}, {own[0] if own else 0}, {len(own)}}},')
        return out

    def rows(self, name):
        return [f'    {{{r.field}, PB_RULE_{r.op}, PB_RULE_ON_{r.target}, {{{r.arg}}}}},' for r in self.rules.get(name, [])]
