"""Writes a Swagger 2.0 document for each .proto file of the IDL, as protoc-gen-openapiv2 v2.27.4 does with
json_names_for_fields=false: the layout that gateways of other Flyte servers come with.

usage: swagger.py --idl DIR --deps FILE --out DIR [--protoc PROTOC] [--check]

--check writes nothing and fails when a file in --out is not what would be written. tools/swagger_common.json has the two
definitions whose texts come from files that are not in the IDL.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter

import pb_descriptor as pd
import pb_http

HERE = os.path.dirname(os.path.abspath(__file__))
VERB_ORDER = ['GET', 'DELETE', 'POST', 'PUT', 'PATCH']
SCALARS = {1: ('number', 'double'), 2: ('number', 'float'), 3: ('string', 'int64'), 4: ('string', 'uint64'),
           5: ('integer', 'int32'), 6: ('string', 'uint64'), 7: ('integer', 'int64'), 8: ('boolean', None),
           9: ('string', None), 12: ('string', 'byte'), 13: ('integer', 'int64'), 15: ('integer', 'int32'),
           16: ('string', 'int64'), 17: ('integer', 'int32'), 18: ('string', 'int64')}
WELL_KNOWN = {'Timestamp': {'type': 'string', 'format': 'date-time'}, 'Duration': {'type': 'string'},
              'Struct': {'type': 'object'}, 'Value': {}, 'ListValue': {'type': 'array', 'items': {}}, 'FieldMask': {'type': 'string'}}
WRAPPERS = {'DoubleValue': 1, 'FloatValue': 2, 'Int64Value': 3, 'UInt64Value': 4, 'Int32Value': 5, 'BoolValue': 8,
            'StringValue': 9, 'BytesValue': 12, 'UInt32Value': 13}
GOOGLE = 'google.protobuf.'
FILES = 'flyteidl2'
ALWAYS = ('googlerpcStatus', 'protobufAny')
# What descriptor.proto, an import, has had since editions, and protoc of Debian 12 does not know: names count.
EDITIONS = ['Edition', 'SymbolVisibility', 'FeatureSet', 'FeatureSetDefaults'] + [
    'FeatureSet.' + n for n in 'FieldPresence EnumType RepeatedFieldEncoding Utf8Validation MessageEncoding JsonFormat'.split()]


def compile_idl(protoc, idl, deps):
    """The descriptors with comments, and the names of the IDL's own files."""
    roots = sorted(os.path.relpath(p, idl) for p in glob.glob(f'{idl}/**/*.proto', recursive=True))
    with tempfile.NamedTemporaryFile() as out:
        cmd = [protoc, '-I' + idl, '--include_imports', '--include_source_info', f'--descriptor_set_in={deps}',
               '--descriptor_set_out=' + out.name]
        done = subprocess.run(cmd + roots, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr + 'protoc failed')
        return pd.read_set(out.read()), roots


def scalar(kind):
    name, form = SCALARS[kind]
    return {'type': name, 'format': form} if form else {'type': name}


def split_paragraphs(comment):
    first, _, rest = comment.partition('\n\n')
    return first, rest.strip()


def texts(comment):
    """The comment of a schema as description and title."""
    first, rest = split_paragraphs(comment)
    if not comment:
        return {}
    if first.endswith('.'):
        return {'description': comment}
    return {**({'description': rest} if rest else {}), 'title': first}


def value_comments(e):
    return '\n'.join(f' - {name}: {comment}' for (name, _), comment in zip(e.values, e.value_comments) if comment)


def enum_comment(e):
    return '\n\n'.join(part for part in (e.comment, value_comments(e)) if part)


class Module:
    """All files together: what names mean, and the names of definitions."""

    def __init__(self, files):
        self.files = files
        self.messages = {m.full_name: m for f in files for m in f.messages}
        self.enums = {e.full_name: e for f in files for e in f.enums}
        names = list(self.messages) + list(self.enums)
        names += [f'{s.full_name}.{m.name}' for f in files for s in f.services for m in s.methods]
        names += [GOOGLE + n for n in EDITIONS]
        parts = {n: [''] + n.split('.') for n in names}
        counts = Counter(tuple(p[-d:]) for p in parts.values() for d in range(1, len(p) + 1))
        self.names = {n: ''.join(p[-(next(d for d in range(1, len(p) + 1) if counts[tuple(p[-d:])] == 1) + 1):])
                      for n, p in parts.items()}
        # The generator writes into its own copy of a field's name: see query_parameters().
        self.field_names = {id(f): f.name for m in self.messages.values() for f in m.fields}

    def ref(self, full_name):
        return {'$ref': '#/definitions/' + self.names[full_name]}

    def entry(self, f):
        m = self.messages.get(f.type_name)
        return m if m and m.map_entry and f.repeated else None

    def value(self, f):
        """Schema of one value."""
        if f.type == pd.ENUM:
            return self.ref(f.type_name)
        if f.type != pd.MESSAGE:
            return scalar(f.type)
        if not is_well_known(f.type_name):
            return self.ref(f.type_name)
        short = f.type_name.removeprefix(GOOGLE)
        return dict(WELL_KNOWN[short]) if short in WELL_KNOWN else scalar(WRAPPERS[short])

    def schema(self, f):
        if self.entry(f):
            value = self.entry(f).fields[1]
            return {'type': 'object', 'additionalProperties': self.value(value)}
        if not f.repeated:
            return self.value(f)
        item = self.value(f)
        if f.type == pd.MESSAGE and '$ref' in item:
            item = {'type': 'object', **item}
        return {'type': 'array', 'items': item}

    def properties(self, m, without=()):
        return {self.field_names[id(f)]: {**self.schema(f), **texts(f.comment)} for f in m.fields if f not in without}

    def message(self, m):
        properties = self.properties(m)
        return {'type': 'object', **({'properties': properties} if properties else {}), **texts(m.comment)}

    def enum(self, e):
        return {'type': 'string', 'enum': [name for name, _ in e.values],
                'default': next(name for name, number in e.values if number == 0), **texts(enum_comment(e))}


class Document:
    """One file's."""

    def __init__(self, module, file, common):
        self.module, self.file = module, file
        self.definitions, self.todo, self.reached, self.common = {}, [], set(), common

    def need(self, full_name):
        self.todo.append(full_name)
        return self.module.ref(full_name)

    # ---- parameters

    def field_at(self, m, path):
        """The fields on a path, outermost first."""
        out = []
        for name in path.split('.'):
            out.append(next(f for f in m.fields if f.name == name))
            m = self.module.messages.get(out[-1].type_name)
        return out

    def path_parameters(self, m, paths):
        out = []
        for path in paths:
            f = self.field_at(m, path)[-1]
            out.append({'name': path, **({'description': f.comment} if f.comment else {}), 'in': 'path', 'required': True,
                        **self.module.value(f)})
        return out

    def query_parameters(self, m, bound, prefix=''):
        out = []
        for f in m.fields:
            path = prefix + self.module.field_names[id(f)]
            if path in bound:
                continue
            plain = self.module.value(f) if not self.module.entry(f) else {}
            if self.module.entry(f):
                # The generator leaves this suffix in the name, so that it grows with every operation.
                self.module.field_names[id(f)] += '[string]'
                out.append(self.query_parameter(f, path + '[string]', self.module.value(self.module.entry(f).fields[1])))
            elif f.type == pd.MESSAGE and '$ref' in plain:
                if not f.repeated:
                    out += self.query_parameters(self.module.messages[f.type_name], bound, path + '.')
            else:
                if f.type == pd.ENUM:
                    e = self.module.enums[f.type_name]
                    plain = {'type': 'string', 'enum': [n for n, _ in e.values], 'default': e.values[0][0]}
                if f.repeated:
                    plain = {'type': 'array', 'items': plain, 'collectionFormat': 'multi'}
                out.append(self.query_parameter(f, path, plain))
        return out

    def query_parameter(self, f, path, schema):
        comment = f.comment
        if f.type == pd.ENUM:
            comment = '\n\n'.join(c for c in (comment, value_comments(self.module.enums[f.type_name])) if c)
        return {'name': path, **({'description': comment} if comment else {}), 'in': 'query', 'required': False, **schema}

    def body_parameter(self, service, method, m, paths):
        if not paths:
            schema, text = self.need(m.full_name), texts(m.comment).get('description')
        else:
            name = f'{service.name}{method.name}Body'
            self.definitions[name] = self.without(m, [self.field_at(m, p) for p in paths])
            schema, text = {'$ref': f'#/definitions/{name}'}, None
        return {'name': 'body', **({'description': text} if text else {}), 'in': 'body', 'required': True, 'schema': schema}

    def without(self, m, bound, comment=None):
        """The message less fields that the path has; what they are inside of is written out."""
        properties = {}
        for f in m.fields:
            inner = [b[1:] for b in bound if b[0] is f]
            if any(not b for b in inner):
                continue
            if inner:
                nested = self.module.messages[f.type_name]
                properties[f.name] = self.without(nested, inner, f.comment or nested.comment)
            else:
                properties[f.name] = {**self.module.schema(f), **texts(f.comment)}
                self.todo += [f.type_name] if f.type_name else []
        return {'type': 'object', **({'properties': properties} if properties else {}),
                **texts(m.comment if comment is None else comment)}

    # ---- operations

    def responses(self, method):
        result = self.need(method.output)
        good = {'description': 'A successful response.', 'schema': result}
        if method.server_stream:
            good = {'description': 'A successful response.(streaming responses)', 'schema': {
                'type': 'object', 'properties': {'result': result, 'error': {'$ref': '#/definitions/googlerpcStatus'}},
                'title': 'Stream result of ' + self.module.names[method.output]}}
        return {'200': good, 'default': {'description': 'An unexpected error response.',
                                         'schema': {'$ref': '#/definitions/googlerpcStatus'}}}

    def operation(self, service, method, path, body):
        m = self.module.messages[method.input]
        paths = pb_http.variables(path)
        parameters = self.path_parameters(m, paths)
        if body == '*':
            parameters.append(self.body_parameter(service, method, m, paths))
        elif body:
            sys.exit(f'swagger: {service.name}.{method.name}: bodies that are one field are not supported')
        else:
            parameters += self.query_parameters(m, set(paths))
        summary, description = split_paragraphs(method.comment)
        return {**({'summary': summary} if summary else {}), **({'description': description} if description else {}),
                'operationId': f'{service.name}_{method.name}', 'responses': self.responses(method),
                **({'parameters': parameters} if parameters else {}), 'tags': [service.name]}

    def paths(self):
        found = {}
        for service in self.file.services:
            for method in service.methods:
                for verb, path, body in pb_http.bindings(method):
                    found.setdefault(path, {})[verb] = self.operation(service, method, path, body)
        return {path: {v.lower(): found[path][v] for v in VERB_ORDER if v in found[path]} for path in sorted(found)}

    def define(self):
        while self.todo:
            full_name = self.todo.pop()
            name = self.module.names[full_name]
            if name in self.definitions or name in self.reached:
                continue
            self.reached.add(name)
            if full_name in self.module.enums:
                self.definitions[name] = self.module.enum(self.module.enums[full_name])
                continue
            m = self.module.messages[full_name]
            if not m.map_entry and not is_well_known(full_name):
                self.definitions[name] = self.module.message(m)
            self.todo += [f.type_name for f in m.fields if f.type_name]

    def build(self):
        paths = self.paths()
        self.define()
        tags = [{'name': s.name} for s in self.file.services]
        common = {name: d for name, d in self.common.items() if name in ALWAYS or name in self.reached}
        definitions = {**self.definitions, **common}
        return {'swagger': '2.0', 'info': {'title': self.file.name, 'version': 'version not set'},
                **({'tags': tags} if tags else {}), 'consumes': ['application/json'], 'produces': ['application/json'],
                'paths': paths, 'definitions': {name: definitions[name] for name in sorted(definitions)}}


def is_well_known(full_name):
    short = full_name.removeprefix(GOOGLE)
    return short != full_name and (short in WELL_KNOWN or short in WRAPPERS)


def to_text(document):
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return text.replace('&', '\\u0026').replace('<', '\\u003c').replace('>', '\\u003e') + '\n'


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--protoc', default='protoc')
    args.add_argument('--idl', required=True)
    args.add_argument('--deps', required=True)
    args.add_argument('--out', required=True)
    args.add_argument('--check', action='store_true')
    args = args.parse_args()
    files, roots = compile_idl(args.protoc, args.idl, args.deps)
    # The module is flyteidl2: gRPC's own services beside it have no part in how things are called.
    own = [f for f in files if f.name not in roots or f.name.startswith(FILES + '/')]
    with open(os.path.join(HERE, 'swagger_common.json'), encoding='utf-8') as f:
        common = json.load(f)
    module, stale = Module(own), []
    for file in (f for f in own if f.name in roots):
        text = to_text(Document(module, file, common).build())
        path = os.path.join(args.out, file.name.removesuffix('.proto') + '.swagger.json')
        old = open(path, encoding='utf-8').read() if os.path.exists(path) else None
        if old != text and args.check:
            stale.append(path)
        elif old != text:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
    if stale:
        sys.exit(f'not up to date, run make swagger: {" ".join(stale)}')


if __name__ == '__main__':
    main()
