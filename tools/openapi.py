"""Writes the OpenAPI 3.1 document of the whole API, which the server has inside and gives at /openapi.json: every RPC that
REST can call, by google.api.http's rules or by the default binding (src/rpc/rest_int.h), and the messages as ProtoJSON.

Messages of requests have the rules that pb_validate() enforces; where a message has any, requests refer to NAME-in.

usage: openapi.py --idl DIR --deps FILE --exceptions FILE.def --version FILE.h --out FILE [--protoc PROTOC]
"""
import argparse
import json
import re

import pb_descriptor as pd
import pb_http
import pb_rules
from swagger import GOOGLE, compile_idl, split_paragraphs, value_comments

PREFIX = '/api/v1'  # REST_PREFIX
INPUT = '-in'
I64 = {'type': 'string', 'format': 'int64', 'pattern': '^-?[0-9]{1,19}$'}
U64 = {'type': 'string', 'format': 'uint64', 'pattern': '^[0-9]{1,20}$'}
I32 = {'type': 'integer', 'format': 'int32', 'minimum': -2**31, 'maximum': 2**31 - 1}
U32 = {'type': 'integer', 'minimum': 0, 'maximum': 2**32 - 1}
REAL = {'anyOf': [{'type': 'number'}, {'type': 'string', 'enum': ['NaN', 'Infinity', '-Infinity']}]}
TEXT, BYTES = {'type': 'string'}, {'type': 'string', 'contentEncoding': 'base64', 'pattern': '^[A-Za-z0-9+/_-]*=*$'}
SCALARS = {1: REAL, 2: REAL, 3: I64, 4: U64, 5: I32, 6: U64, 7: U32, 8: {'type': 'boolean'}, 9: TEXT, 12: BYTES, 13: U32,
           15: I32, 16: I64, 17: I32, 18: I64}
WELL_KNOWN = {'Timestamp': {'type': 'string', 'format': 'date-time'},
              'Duration': {'type': 'string', 'pattern': r'^-?[0-9]{1,12}(\.[0-9]{1,9})?s$'}, 'FieldMask': TEXT,
              'Struct': {'type': 'object'}, 'Value': {}, 'ListValue': {'type': 'array'},
              'Any': {'type': 'object', 'properties': {'@type': {'type': 'string'}}},
              'DoubleValue': REAL, 'FloatValue': REAL, 'Int64Value': I64, 'UInt64Value': U64, 'Int32Value': I32,
              'UInt32Value': U32, 'BoolValue': {'type': 'boolean'}, 'StringValue': TEXT, 'BytesValue': BYTES}
STATUS = 'google.rpc.Status'
ERROR = {'description': 'An error: google.rpc.Status.', 'content': {'application/json': {'schema': {
    'allOf': [{'$ref': f'#/components/schemas/{STATUS}'}], 'required': ['code', 'message', 'details']}}}}
ABOUT = '''Every RPC of the API as HTTP and JSON. RPCs without a google.api.http rule are called at
`/api/v1/<package.Service>/<Method>`: by POST with the request as JSON, and by GET with its fields in the query when they have no
side effects. RPCs that stream answers give one JSON document a line: `{"result": ...}`, at last perhaps `{"error": ...}`.'''
OWN_LIMITS = {'MIN_LEN': 'minLength', 'MAX_LEN': 'maxLength', 'MIN_ITEMS': 'minItems', 'MAX_ITEMS': 'maxItems',
              'MIN_PAIRS': 'minProperties', 'MAX_PAIRS': 'maxProperties', 'LT': 'exclusiveMaximum', 'LTE': 'maximum',
              'GT': 'exclusiveMinimum', 'GTE': 'minimum'}


def number_in(arg):
    return int(re.search(r'-?\d+', arg.split('=', 1)[1].replace('INT64_C', '').replace('UINT64_C', '')).group())


def text_in(arg):
    return json.loads(arg.split('= ', 1)[1])


def list_in(arg):
    return {int(n) for n in re.search(r'{(.*)}', arg).group(1).split(',')[1:]}


def forbids_zero(r):
    """Whether the rule refuses the value that an absent field has."""
    if r.op == 'PATTERN':
        return not re.search(text_in(r.arg), '')
    if r.op in ('IN', 'NOT_IN'):
        return (0 in list_in(r.arg)) == (r.op == 'NOT_IN')
    if r.op in ('GT', 'GTE'):
        return number_in(r.arg) >= (r.op == 'GTE')
    return r.op in ('MIN_LEN', 'MIN_ITEMS', 'MIN_PAIRS', 'LEN') and number_in(r.arg) > 0


class Api:
    def __init__(self, files, exceptions):
        self.messages = {m.full_name: m for f in files for m in f.messages}
        self.enums = {e.full_name: e for f in files for e in f.enums}
        self.services = sorted((s for f in files for s in f.services), key=lambda s: s.full_name)
        self.rules = pb_rules.Rules(list(self.messages.values()), exceptions, lambda data: json.dumps(data.decode()))
        self.schemas, self.todo = {}, []
        self.open = []  # messages that query_parameters() is inside of

    # ---- fields

    def entry(self, f):
        m = self.messages.get(f.type_name)
        return m if m and m.map_entry and f.repeated else None

    def rules_of(self, m, f, target='VALUE'):
        index = sorted(m.fields, key=lambda g: g.number).index(f)
        rules = [r for r in self.rules.rules.get(m.full_name, []) if r.field == index]
        if any(r.op == 'ZERO_OK' for r in rules):
            return []  # they count only for some values
        return [r for r in rules if r.target == target]

    def value(self, f, strict):
        """Schema of one value."""
        if f.type == pd.ENUM:
            self.todo.append((f.type_name, False))
            return {'$ref': f'#/components/schemas/{f.type_name}'}
        if f.type != pd.MESSAGE:
            return dict(SCALARS[f.type])
        short = f.type_name.removeprefix(GOOGLE)
        if short != f.type_name and short in WELL_KNOWN and short != 'Any':
            return dict(WELL_KNOWN[short])
        strict = strict and f.type_name in self.rules.checked
        self.todo.append((f.type_name, strict))
        return {'$ref': f'#/components/schemas/{f.type_name}{INPUT if strict else ""}'}

    def limited(self, schema, f, rules):
        """The schema with what JSON Schema can say of the rules."""
        out = dict(schema)
        for r in rules:
            if r.op in ('LT', 'LTE', 'GT', 'GTE') and schema.get('type') != 'integer':
                continue  # 64-bit numbers and durations are texts
            if r.op in OWN_LIMITS:
                out[OWN_LIMITS[r.op]] = number_in(r.arg)
            elif r.op == 'LEN':
                out['minLength'] = out['maxLength'] = number_in(r.arg)
            elif r.op == 'PATTERN':
                out['pattern'] = text_in(r.arg)
            elif r.op == 'UNIQUE':
                out['uniqueItems'] = True
            elif r.op in ('IN', 'NOT_IN') and f.type == pd.ENUM:
                out = {'type': 'string', 'enum': [name for name, n in self.enums[f.type_name].values
                                                  if (n in list_in(r.arg)) == (r.op == 'IN')]}
            elif r.op == 'REQUIRED' and schema.get('type') == 'string':
                out.setdefault('minLength', 1)
        return out

    def field(self, m, f, strict):
        rules = (lambda target: self.rules_of(m, f, target) if strict else [])
        inside = strict and f.name not in self.rules.skip.get(m.full_name, ())
        if self.entry(f):
            key, value = self.entry(f).fields
            schema = {'type': 'object', 'additionalProperties': self.limited(self.value(value, inside), value, rules('MAP_VALUE'))}
            names = self.limited(TEXT, key, rules('KEY')) if key.type == 9 else TEXT
            if names != TEXT:
                schema['propertyNames'] = names
        elif f.repeated:
            schema = {'type': 'array', 'items': self.limited(self.value(f, inside), f, rules('ITEM'))}
        else:
            schema = self.value(f, inside)
        schema = self.limited(schema, f, rules('VALUE'))
        return {**schema, **({'description': f.comment} if f.comment else {})}

    def is_required(self, m, f):
        if f.oneof >= 0:
            return False
        counts = not f.optional and (f.repeated or f.type != pd.MESSAGE)  # rules of what is absent otherwise do not
        return any(r.op == 'REQUIRED' or (counts and forbids_zero(r)) for r in self.rules_of(m, f))

    # ---- messages

    def oneofs(self, m, strict):
        """What says that at most one member is there, or exactly one."""
        out = []
        for i, oneof in enumerate(m.oneofs):
            members = [f.json_name for f in m.fields if f.oneof == i]
            if not members:
                continue
            one = [{'required': [name]} for name in members]
            must = strict and any(r.op == 'ONEOF' and text_in(r.arg) == oneof.name
                                  for r in self.rules.rules.get(m.full_name, []))
            if len(members) == len(m.fields):
                out.append({'maxProperties': 1, **({'minProperties': 1} if must else {})})
            else:
                out.append({'oneOf': one + ([] if must else [{'not': {'anyOf': one}}])})
        return out

    def message(self, m, strict):
        required = [f.json_name for f in m.fields if strict and self.is_required(m, f)]
        groups = self.oneofs(m, strict)
        return {'type': 'object', **({'description': m.comment} if m.comment else {}),
                'properties': {f.json_name: self.field(m, f, strict) for f in m.fields},
                **({'required': required} if required else {}), 'additionalProperties': False,
                **(groups[0] if len(groups) == 1 else {'allOf': groups} if groups else {})}

    def enum(self, e):
        text = '\n\n'.join(part for part in (e.comment, value_comments(e)) if part)
        return {'type': 'string', **({'description': text} if text else {}), 'enum': list(dict.fromkeys(n for n, _ in e.values))}

    def define(self):
        while self.todo:
            name, strict = self.todo.pop()
            key = name + (INPUT if strict else '')
            if key in self.schemas:
                continue
            if name in self.enums:
                self.schemas[key] = self.enum(self.enums[name])
            elif name == GOOGLE + 'Any':
                self.schemas[key] = WELL_KNOWN['Any']
            else:
                self.schemas[key] = {}  # it may refer to itself
                self.schemas[key] = self.message(self.messages[name], strict)

    def ref(self, full_name, strict):
        strict = strict and full_name in self.rules.checked
        self.todo.append((full_name, strict))
        return {'$ref': f'#/components/schemas/{full_name}{INPUT if strict else ""}'}

    # ---- operations

    def fields_at(self, m, path):
        out = []
        for name in path.split('.'):
            out.append(next(f for f in m.fields if f.name == name))
            inner, m = m, self.messages.get(out[-1].type_name)
        return inner, out

    def path_parameter(self, m, path):
        owner, fields = self.fields_at(m, path)
        schema = self.field(owner, fields[-1], True)
        if schema.get('type') == 'string':
            schema['minLength'] = max(1, schema.get('minLength', 1))
        text = schema.pop('description', None)
        return {'name': path_name(path), 'in': 'path', 'required': True, **({'description': text} if text else {}), 'schema': schema}

    def query_parameters(self, m, bound, path=(), names=(), must=True):
        """Depth first; a message that is inside itself is left out there."""
        out = []
        for f in m.fields:
            at, name = path + (f.name,), '.'.join(names + (f.json_name,))
            needed = must and self.is_required(m, f)
            kind = f.type_name.removeprefix(GOOGLE)
            plain = f.type != pd.MESSAGE or (kind != f.type_name and kind in WELL_KNOWN and kind != 'Any')
            if '.'.join(at) in bound:
                continue
            if self.entry(f):
                if self.entry(f).fields[1].type == pd.MESSAGE:
                    continue
                out.append(self.query_parameter(m, f, name, needed, {'style': 'deepObject', 'explode': True}))
            elif plain:
                out.append(self.query_parameter(m, f, name, needed, {}))
            elif not f.repeated and kind != 'Any' and f.type_name not in self.open:
                self.open.append(f.type_name)
                out += self.query_parameters(self.messages[f.type_name], bound, at, names + (f.json_name,), needed)
                self.open.pop()
        return out

    def query_parameter(self, m, f, name, needed, how):
        schema = self.field(m, f, True)
        text = schema.pop('description', None)
        return {'name': name, 'in': 'query', **({'required': True} if needed else {}),
                **({'description': text} if text else {}), **how, 'schema': schema}

    def body(self, m, body, bound):
        schema = self.ref(m.full_name, True)
        if body != '*':
            schema = self.field(m, next(f for f in m.fields if f.name == body), True)
        elif bound:
            schema = self.without(m, [p.split('.') for p in bound])
        return {'required': True, 'content': {'application/json': {'schema': schema}}}

    def without(self, m, bound):
        """The message less the fields that the path has."""
        out = self.message(m, True)
        for path in bound:
            f = next(f for f in m.fields if f.name == path[0])
            inner = [p[1:] for p in bound if p[0] == f.name]
            if any(not p for p in inner):
                out['properties'].pop(f.json_name, None)
            else:
                out['properties'][f.json_name] = self.without(self.messages[f.type_name], inner)
            out['required'] = [name for name in out.get('required', []) if name != f.json_name]  # the path makes it
        if not out.get('required'):
            out.pop('required', None)
        return out

    def responses(self, method):
        result, media = self.ref(method.output, False), 'application/json'
        if method.server_stream:
            media = 'application/x-ndjson'
            result = {'type': 'object', 'properties': {'result': result, 'error': {'$ref': f'#/components/schemas/{STATUS}'}}}
        return {'200': {'description': 'One document a line.' if method.server_stream else 'The answer.',
                        'content': {media: {'schema': result}}},
                'default': {'$ref': '#/components/responses/error'}}

    def operation(self, service, method, verb, path, body, first):
        m, bound = self.messages[method.input], pb_http.variables(path)
        self.open = [m.full_name]
        parameters = [self.path_parameter(m, p) for p in bound]
        if not body:
            parameters += self.query_parameters(m, set(bound))
        summary, description = split_paragraphs(method.comment)
        deprecated = pd.Wire(method.options).int(33)
        return {'operationId': f'{service.full_name}.{method.name}' + ('' if first else '.' + verb.lower()),
                'tags': [service.full_name], **({'summary': summary} if summary else {}),
                **({'description': description} if description else {}), **({'deprecated': True} if deprecated else {}),
                **({'parameters': parameters} if parameters else {}),
                **({'requestBody': self.body(m, body, bound)} if body else {}), 'responses': self.responses(method)}

    def paths(self):
        out = {}
        for service in self.services:
            for method in service.methods:
                if method.client_stream:
                    continue
                bindings = pb_http.bindings(method) or default_bindings(service, method)
                for i, (verb, path, body) in enumerate(bindings):
                    at = re.sub(r'{([^}=]+)(=[^}]*)?}', lambda found: '{' + path_name(found.group(1)) + '}', path)
                    out.setdefault(at, {})[verb.lower()] = self.operation(service, method, verb, path, body, i == 0)
        return dict(sorted(out.items()))

    def document(self, version):
        paths = self.paths()
        self.todo.append((STATUS, False))
        self.define()
        tags = [{'name': s.full_name, **({'description': s.comment} if s.comment else {})} for s in self.services
                if any(not m.client_stream for m in s.methods)]
        return {'openapi': '3.1.0', 'info': {'title': 'Tern', 'version': version, 'description': ABOUT},
                'servers': [{'url': '/'}], 'tags': tags, 'paths': paths,
                'components': {'schemas': dict(sorted(self.schemas.items())), 'responses': {'error': ERROR}}}


def path_name(field):
    """Nobody sends the names of path parameters; dots in them are too much for many programs."""
    return field.replace('.', '_')


def default_bindings(service, method):
    path = f'{PREFIX}/{service.full_name}/{method.name}'
    pure = pd.Wire(method.options).int(34) == 1
    return [('POST', path, '*')] + ([('GET', path, None)] if pure else [])


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--protoc', default='protoc')
    args.add_argument('--idl', required=True)
    args.add_argument('--deps', required=True)
    args.add_argument('--exceptions', required=True)
    args.add_argument('--version', required=True)
    args.add_argument('--out', required=True)
    args = args.parse_args()
    files, _ = compile_idl(args.protoc, args.idl, args.deps)
    with open(args.version, encoding='utf-8') as f:
        version = re.search(r'VERSION\s+"([^"]+)"', f.read()).group(1)
    document = Api(files, pb_rules.Exceptions(args.exceptions)).document(version)
    with open(args.out, 'w', encoding='utf-8') as f:
        json.dump(document, f, ensure_ascii=False, separators=(',', ':'))
        f.write('\n')


if __name__ == '__main__':
    main()
