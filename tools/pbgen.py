"""Generates C from protocol buffer files: plain structs (one header per package), tables for src/pb, service tables.

Input: every .proto below --idl, compiled by protoc; third-party imports come as a descriptor set (--deps, see
idl_deps.py). Output below --out: gen/<package>.h and .c, gen/services.h, gen/pb_registry.c, gen/idl.binpb, gen/pb.mk
(GEN_OBJ). The names and the C forms are described in src/pb/pb.h, the tables in src/pb/table.h.

--prefix NAME makes a second set for a test program beside the main one: its registry is pb_registry_extra, its files
are called NAME_..., and packages that the main set has are named with --have, not generated.

usage: pbgen.py --idl DIR --deps FILE --out DIR [--protoc PROTOC] [--exceptions FILE.def]
         [--extra FILE.proto]... [--prefix P] [--have PKG]...
"""
import argparse
import glob
import os
import re
import subprocess
import sys

import pb_descriptor as pd
import pb_http
import pb_rules

KINDS = {1: 'DOUBLE', 2: 'FLOAT', 3: 'INT64', 4: 'UINT64', 5: 'INT32', 6: 'FIXED64', 7: 'FIXED32', 8: 'BOOL',
         9: 'STRING', 11: 'MESSAGE', 12: 'BYTES', 13: 'UINT32', 14: 'ENUM', 15: 'SFIXED32', 16: 'SFIXED64', 17: 'SINT32',
         18: 'SINT64'}
C_TYPES = {'DOUBLE': 'double', 'FLOAT': 'float', 'INT64': 'int64_t', 'UINT64': 'uint64_t', 'INT32': 'int32_t',
           'FIXED64': 'uint64_t', 'FIXED32': 'uint32_t', 'BOOL': 'bool', 'STRING': 'str', 'BYTES': 'str',
           'UINT32': 'uint32_t', 'ENUM': 'int32_t', 'SFIXED32': 'int32_t', 'SFIXED64': 'int64_t', 'SINT32': 'int32_t',
           'SINT64': 'int64_t'}
WIRE = {'DOUBLE': 1, 'FIXED64': 1, 'SFIXED64': 1, 'FLOAT': 5, 'FIXED32': 5, 'SFIXED32': 5, 'STRING': 2, 'BYTES': 2,
        'MESSAGE': 2}
SIZES = {'double': 8, 'int64_t': 8, 'uint64_t': 8, 'float': 4, 'int32_t': 4, 'uint32_t': 4, 'bool': 1, 'str': 16}
# Keywords of C, and names that headers define as macros.
KEYWORDS = set('''auto bool break case char const continue default do double else enum extern false float for goto if
inline int linux long register restrict return short signed sizeof static struct switch true typedef union unix
unsigned void volatile while errno stdin stdout stderr NULL'''.split())
WKT = {'Any': 'ANY', 'Timestamp': 'TIMESTAMP', 'Duration': 'DURATION', 'Struct': 'STRUCT', 'Value': 'VALUE',
       'ListValue': 'LIST', 'FieldMask': 'FIELD_MASK'}
WKT.update({f'{t}Value': 'WRAPPER' for t in 'Double Float Int64 UInt64 Int32 UInt32 Bool String Bytes'.split()})


def camel(package):
    parts = package.split('.')
    if parts[0] == 'flyteidl2':
        parts = parts[1:]
    return ''.join(p[:1].upper() + p[1:] for part in parts for p in part.split('_'))


def upper_snake(name):
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    return re.sub(r'([A-Z])([A-Z][a-z])', r'\1_\2', name).upper()


def c_package(package):
    return package.replace('.', '_')


def c_name(thing):
    return camel(thing.package) + '_'.join(thing.path)


def c_field(name):
    return name + '_' if name in KEYWORDS else name


def c_string(data):
    """A C string literal of bytes; octal escapes cannot swallow what follows."""
    return '"' + ''.join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f'\\{b:03o}' for b in data) + '"'


class Pool:
    """One text that holds all names of a package."""

    def __init__(self):
        self.data, self.seen = b'', {}

    def add(self, text):
        data = text.encode()
        if data not in self.seen:
            self.seen[data] = len(self.data)
            self.data += data
        return self.seen[data]

    def lines(self):
        return [c_string(self.data[i:i + 100]) for i in range(0, len(self.data), 100)] or ['""']


class Schema:
    """All files of one descriptor set, and which of them get C code."""

    def __init__(self, files, roots, have, exceptions):
        self.files = {f.name: f for f in files}
        self.messages = {m.full_name: m for f in files for m in f.messages}
        self.enums = {e.full_name: e for f in files for e in f.enums}
        self.have = set(have)
        home = {x.full_name: f.name for f in files for x in f.messages + f.enums}
        todo, wanted = list(roots), set()
        while todo:
            name = todo.pop()
            if name in wanted:
                continue
            wanted.add(name)
            todo += [home[f.type_name] for m in self.files[name].messages for f in m.fields if f.type_name]
            todo += [home[t] for s in self.files[name].services for m in s.methods for t in (m.input, m.output)]
        self.wanted = [f for f in files if f.name in wanted and f.package not in self.have]
        for f in self.wanted:
            if not f.proto3:
                sys.exit(f'pbgen: {f.name} is not proto3')
        self.rules = pb_rules.Rules([m for f in self.wanted for m in f.messages], exceptions, c_string)

    def packages(self):
        out = {}
        for f in self.wanted:
            out.setdefault(f.package, []).append(f)
        return out

    def entry(self, f):
        """The map entry message of a map field, or None."""
        m = self.messages.get(f.type_name)
        return m if m and m.map_entry and f.repeated else None

    def element(self, f):
        """C type of one value of the field."""
        if f.type == pd.MESSAGE:
            return c_name(self.messages[f.type_name]) + ' *'
        return C_TYPES[KINDS[f.type]] + ' '

    def size(self, f):
        if f.repeated:
            return 16
        return 8 if f.type == pd.MESSAGE else SIZES[C_TYPES[KINDS[f.type]]]

    def members(self, m):
        """(size, [lines], name) of the struct's members, largest alignment first."""
        out, done = [], set()
        for f in m.fields:
            if f.oneof >= 0:
                if f.oneof in done:
                    continue
                done.add(f.oneof)
                inner = [g for g in m.fields if g.oneof == f.oneof]
                lines = ['union {'] + [f'    {self.element(g)}{c_field(g.name)};' for g in inner] + ['};']
                out.append((max(self.size(g) for g in inner), lines))
                out.append((4, [f'int32_t {m.oneofs[f.oneof].name}_case;']))
            elif self.entry(f):
                entry = c_name(self.entry(f))
                out.append((16, ['struct {', f'    struct {entry} *p;', '    size_t n;', f'}} {c_field(f.name)};']))
            elif f.repeated:
                out.append((16, ['struct {', f'    {self.element(f)}*p;', '    size_t n;', f'}} {c_field(f.name)};']))
            else:
                out.append((self.size(f), [f'{self.element(f)}{c_field(f.name)};']))
                if f.optional and f.type != pd.MESSAGE:
                    out.append((1, [f'bool has_{f.name};']))
        return sorted(out, key=lambda x: -min(x[0], 8))


def emit_enum(e):
    prefix = upper_snake(camel_words(e.package))
    for part in e.path[:-1]:
        prefix += '_' + upper_snake(part)
    nested = upper_snake(e.path[-1]) + '_' if len(e.path) > 1 else ''
    out, used = [f'enum {c_name(e)} {{'], []
    for name, number in e.values:
        constant = prefix + '_' + ('' if name.startswith(nested) else nested) + name
        used.append(constant)
        out.append(f'    {constant} = {number},')
    return out + ['};', ''], used


def camel_words(package):
    """The package in the form that upper_snake() turns into the prefix of its constants."""
    parts = package.split('.')
    return '_'.join(parts[1:] if parts[0] == 'flyteidl2' else parts)


def emit_struct(schema, m):
    out = [f'struct {c_name(m)} {{'] + ([] if m.map_entry else ['    struct pb_unknown *unknown_;'])
    for _, lines in schema.members(m):
        out += ['    ' + line for line in lines]
    out += ['};']
    tags = [f'    {c_name(m)}_{f.name}_tag = {f.number},' for f in m.fields if f.oneof >= 0]
    if tags:
        out += ['enum {'] + tags + ['};']
    if not m.map_entry:
        out.append(f'extern const struct pb_type {c_name(m)}_type;')
    return out + ['']


def emit_header(schema, package, files):
    guard = f'GEN_{c_package(package).upper()}_H'
    messages = [m for f in files for m in f.messages]
    foreign = {}
    for m in messages:
        for f in m.fields:
            if f.type == pd.MESSAGE and schema.messages[f.type_name].package != package:
                foreign[f.type_name] = schema.messages[f.type_name]
    out = [f'/* Generated by tools/pbgen.py from package {package}. */', f'#ifndef {guard}', f'#define {guard}', '',
           '#include "pb/pb.h"', '']
    for m in messages + [foreign[k] for k in sorted(foreign)]:
        out.append(f'typedef struct {c_name(m)} {c_name(m)};')
    out.append('')
    out += [f'#include "gen/{c_package(p)}.h"' for p in sorted({m.package for m in foreign.values()})] + ['']
    constants = []
    for e in [e for f in files for e in f.enums]:
        lines, used = emit_enum(e)
        out += lines
        constants += used
    twice = {c for c in constants if constants.count(c) > 1}
    if twice:
        sys.exit(f'pbgen: {package}: enum constants collide: {sorted(twice)}')
    for m in messages:
        out += emit_struct(schema, m)
    return out + ['#endif', '']


def field_row(schema, m, f, pool):
    kind = KINDS[f.type]
    wire = 2 if f.packed else WIRE.get(kind, 0)
    # The JSON name follows the name, so both are added as one text.
    json = '' if f.json_name == f.name else f.json_name
    if not re.fullmatch(r'[A-Za-z0-9_]*', json):  # the JSON writer does not escape names
        sys.exit(f'pbgen: {m.full_name}.{f.name}: json_name "{json}" is no identifier')
    name = pool.add(f.name + json)
    has, sub = '0', ''
    struct = c_name(m)
    if schema.entry(f):
        shape = 'MAP'
    elif f.repeated:
        shape = 'REPEATED'
    elif f.oneof >= 0:
        shape, has = 'ONEOF', f'offsetof({struct}, {m.oneofs[f.oneof].name}_case)'
    elif f.optional and f.type != pd.MESSAGE:
        shape, has = 'OPTIONAL', f'offsetof({struct}, has_{f.name})'
    else:
        shape = 'PLAIN'
    if f.type == pd.MESSAGE:
        sub = f'.type = &{c_name(schema.messages[f.type_name])}_type'
    elif f.type == pd.ENUM:
        sub = f'.enums = &{c_name(schema.enums[f.type_name])}_enum'
    offset = f'offsetof({struct}, {c_field(f.name)})'
    if m.map_entry:
        probe = '0, 0, 0'  # always there
    elif has != '0':
        probe = f'PB_PROBE({has}, 4, {f.number})' if shape == 'ONEOF' else f'PB_PROBE({has}, 1, 0)'
    elif schema.size(f) == 16:  # the length of a string or an array
        probe = f'PB_PROBE({offset} + 8, 8, 0)'
    else:
        probe = f'PB_PROBE({offset}, {schema.size(f)}, 0)'
    return (f'    {{{{{sub or ".type = NULL"}}}, {f.number << 3 | wire}, {name}, {offset}, '
            f'{has}, PB_{kind}, PB_{shape}, {len(f.name)}, {len(json)}, {probe}}},')


def emit_type(schema, m, pool):
    name, fields = c_name(m), sorted(m.fields, key=lambda f: f.number)
    out, rules, checks = [], schema.rules.rows(m.full_name), schema.rules.check_rows(m)
    if checks:
        out += [f'static const struct pb_check {name}_checks[] = {{'] + checks + ['};']
    if rules:
        out += [f'static const struct pb_rule {name}_rules[] = {{'] + rules + ['};']
    if fields:
        out += [f'static const struct pb_field {name}_fields[] = {{']
        out += [field_row(schema, m, f, pool) for f in fields] + ['};']
    dense = 0
    while dense < len(fields) and fields[dense].number == dense + 1:
        dense += 1
    wkt = WKT.get(m.full_name.removeprefix('google.protobuf.'), 'NONE') if m.package == 'google.protobuf' else 'NONE'
    maps = 'true' if any(schema.entry(f) for f in fields) else 'false'
    out += [f'{"static " if m.map_entry else ""}const struct pb_type {name}_type = {{',
            f'    .name = "{m.full_name}", .name_len = {len(m.full_name)}, .pool = pool,',
            f'    .fields = {name + "_fields" if fields else "pb_no_fields"}, .n = {len(fields)}, .dense = {dense},',
            f'    .size = sizeof({name}), .wkt = PB_WKT_{wkt}, .is_entry = {str(m.map_entry).lower()}, '
            f'.has_maps = {maps},',
            f'    .rules = {name + "_rules" if rules else "pb_no_rules"}, .rule_n = {len(rules)},',
            f'    .checks = {name + "_checks" if checks else "pb_no_checks"}, .check_n = {len(checks)},', '};', '']
    return out


def emit_enum_table(e, pool):
    name = c_name(e)
    values = sorted(e.values, key=lambda v: v[1])
    out = [f'static const struct pb_enum_value {name}_values[] = {{']
    out += [f'    {{{number}, {pool.add(text)}, {len(text)}}},' for text, number in values]
    out += ['};', f'const struct pb_enum {name}_enum = {{"{e.full_name}", pool, {name}_values, {len(values)}, '
            f'{str(e.full_name == "google.protobuf.NullValue").lower()}}};', '']
    return out


def emit_source(schema, package, files):
    pool, body = Pool(), []
    messages = [m for f in files for m in f.messages]
    enums = [e for f in files for e in f.enums]
    used = {f.type_name for m in messages for f in m.fields if f.type == pd.ENUM} | {e.full_name for e in enums}
    head = [f'/* Generated by tools/pbgen.py from package {package}. */', f'#include "gen/{c_package(package)}.h"', '',
            '#include "pb/table.h"', '', '#include <stddef.h>', '']
    head += [f'extern const struct pb_enum {c_name(schema.enums[n])}_enum;' for n in sorted(used)]
    head += [f'static const struct pb_type {c_name(m)}_type;' for m in messages if m.map_entry]
    for e in enums:
        body += emit_enum_table(e, pool)
    for m in messages:
        body += emit_type(schema, m, pool)
    return head + ['', 'static const char pool[] ='] + [f'    {line}' for line in pool.lines()] + ['    ;', ''] + body


def handler_names(schema):
    """full service name -> the name its handlers begin with"""
    services = [s for f in schema.wanted for s in f.services]
    names = [s.name for s in services]
    return {s.full_name: (camel(s.package) if names.count(s.name) > 1 else '') + s.name for s in services}


def method_types(schema, m):
    return c_name(schema.messages[m.input]), c_name(schema.messages[m.output])


def emit_services_header(schema, prefix):
    names = handler_names(schema)
    guard = f'GEN_{prefix.upper()}SERVICES_H'
    out = ['/* Generated by tools/pbgen.py: the handlers that services may define. One that is missing answers',
           ' * UNIMPLEMENTED. */', f'#ifndef {guard}', f'#define {guard}', '']
    packages = {f.package for f in schema.wanted if f.services}
    packages |= {schema.messages[t].package for f in schema.wanted for s in f.services for m in s.methods
                 for t in (m.input, m.output)}
    out += [f'#include "gen/{c_package(p)}.h"' for p in sorted(packages)] + ['', 'struct stream;', '']
    for s in [s for f in schema.wanted for s in f.services]:
        out.append(f'/* {s.full_name} */')
        for m in s.methods:
            take, give = method_types(schema, m)
            handler = f'{names[s.full_name]}_{m.name}'
            if m.client_stream:
                args = 'const void *none, struct stream *st'
            elif m.server_stream:
                args = f'const {take} *req, struct stream *st'
            else:
                args = f'const {take} *req, {give} *rsp'
            out.append(f'enum code {handler}(struct ctx *cx, {args});')
        out.append('')
    return out + ['#endif', '']


def http_table(m, handler):
    """The C array of a method's bindings."""
    rows = [f'    {{{c_string(verb.encode())}, {c_string(path.encode())}, {c_string(body.encode()) if body else "NULL"}}},'
            for verb, path, body in pb_http.bindings(m)]
    return [f'static const struct pb_http {handler}_http[] = {{'] + rows + ['};'] if rows else []


def method_row(schema, s, m, handler):
    take, give = method_types(schema, m)
    stream = m.client_stream or m.server_stream
    cast = f'.stream = (pb_stream_fn *)(void (*)(void)){handler}' if stream else \
        f'.unary = (pb_unary_fn *)(void (*)(void)){handler}'
    pure = pd.Wire(m.options).int(34) == 1
    rules = len(pb_http.bindings(m))
    http = f', .http = {handler}_http, .http_count = {rules}' if rules else ''
    return [f'    {{.service = "{s.full_name}", .name = "{m.name}", .path = "/{s.full_name}/{m.name}",',
            f'     .input = &{take}_type, .output = &{give}_type, .client_stream = {str(m.client_stream).lower()},',
            f'     .server_stream = {str(m.server_stream).lower()}, .no_side_effects = {str(pure).lower()}, '
            f'{cast}{http}}},']


def emit_registry(schema, prefix, set_file):
    names = handler_names(schema)
    rows = sorted(((s, m, f'{names[s.full_name]}_{m.name}') for f in schema.wanted for s in f.services
                   for m in s.methods), key=lambda r: f'/{r[0].full_name}/{r[1].name}')
    types = sorted((m for f in schema.wanted for m in f.messages if not m.map_entry), key=lambda m: m.full_name)
    enums = sorted((e for f in schema.wanted for e in f.enums), key=lambda e: e.full_name)
    out = ['/* Generated by tools/pbgen.py: all types and methods. */', f'#include "gen/{prefix}services.h"', '',
           '#include "pb/table.h"', '']
    out += [f'#include "gen/{c_package(p)}.h"' for p in sorted(schema.packages())] + ['']
    out += [f'extern __typeof__({h}) {h} __attribute__((weak));' for _, _, h in rows] + ['']
    out += [f'extern const struct pb_enum {c_name(e)}_enum;' for e in enums] + ['']
    for _, m, h in rows:
        out += http_table(m, h)
    out += [f'{"" if not prefix else "static "}const struct pb_method {prefix or "pb_"}methods[] = {{']
    for s, m, h in rows:
        out += method_row(schema, s, m, h)
    out += ['};', 'static const struct pb_type *const types[] = {'] + [f'    &{c_name(m)}_type,' for m in types]
    out += ['};', 'static const struct pb_enum *const enums[] = {'] + [f'    &{c_name(e)}_enum,' for e in enums]
    out += ['};', '']
    if not prefix:
        out.append(f'const size_t pb_method_count = {len(rows)};')
    label = f'{prefix}descriptors'
    out += ['__asm__(".pushsection .rodata\\n"', f'        "{label}: .incbin \\"{set_file}\\"\\n"', '        ".popsection\\n");',
            f'extern const char {label}[] __attribute__((visibility("hidden")));',
            f'const struct pb_registry pb_registry_{"extra" if prefix else "main"} = {{',
            f'    .types = types, .type_count = {len(types)}, .enums = enums, .enum_count = {len(enums)},',
            f'    .methods = {prefix or "pb_"}methods, .method_count = {len(rows)},',
            f'    .descriptors = {{{label}, {os.path.getsize(set_file)}}},', '};', '']
    return out


def write(path, text):
    """Leaves an unchanged file alone, so that make rebuilds little."""
    if os.path.exists(path):
        with open(path) as f:
            if f.read() == text:
                return
    with open(path, 'w') as f:
        f.write(text)


def compile_idl(args, out):
    roots = sorted(os.path.relpath(p, args.idl) for p in glob.glob(f'{args.idl}/**/*.proto', recursive=True))
    roots += args.extra
    cmd = [args.protoc, '-I' + args.idl, '--include_imports', '--descriptor_set_out=' + out]
    if args.deps:
        cmd.append('--descriptor_set_in=' + args.deps)
    done = subprocess.run(cmd + roots, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr + 'pbgen: protoc failed')
    return roots


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--protoc', default='protoc')
    args.add_argument('--idl', required=True)
    args.add_argument('--deps')
    args.add_argument('--out', required=True)
    args.add_argument('--exceptions')
    args.add_argument('--extra', action='append', default=[])
    args.add_argument('--prefix', default='')
    args.add_argument('--have', action='append', default=[])
    args = args.parse_args()
    prefix = args.prefix + '_' if args.prefix else ''
    gen = os.path.join(args.out, 'gen')
    os.makedirs(gen, exist_ok=True)
    set_file = os.path.join(gen, f'{prefix}idl.binpb')
    roots = compile_idl(args, set_file)
    exceptions = pb_rules.Exceptions(args.exceptions) if args.exceptions else None
    with open(set_file, 'rb') as f:
        schema = Schema(pd.read_set(f.read()), roots, args.have, exceptions)
    objects = [f'{prefix}pb_registry']
    for package, files in schema.packages().items():
        name = c_package(package)
        objects.append(name)
        write(f'{gen}/{name}.h', '\n'.join(emit_header(schema, package, files)))
        write(f'{gen}/{name}.c', '\n'.join(emit_source(schema, package, files)))
    write(f'{gen}/{prefix}services.h', '\n'.join(emit_services_header(schema, prefix)))
    write(f'{gen}/{prefix}pb_registry.c', '\n'.join(emit_registry(schema, prefix, set_file)))
    listed = ' '.join(f'$(BUILD)/obj/gen/{o}.o' for o in sorted(objects))
    write(f'{gen}/{prefix}pb.mk', f'{prefix.upper()}GEN_OBJ := {listed}\n')


if __name__ == '__main__':
    main()
