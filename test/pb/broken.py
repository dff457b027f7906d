"""Messages that keep all rules of the IDL but one. Made from the rules as the descriptors say them; what they mean is
left to the judge."""
import importlib
from collections import deque
from dataclasses import dataclass
from typing import Callable

from google.protobuf import message_factory

from messages import FD

RULES = importlib.import_module('buf.validate.validate_pb2')
UNSIGNED = (FD.TYPE_UINT32, FD.TYPE_UINT64)


def rules_of(part, extension):
    """Of a message, field or oneof."""
    return part.GetOptions().Extensions[extension]


def kind_of(rules):
    """The rules for the kind of value, if there are any: StringRules, RepeatedRules, ..."""
    kind = rules.WhichOneof('type')
    return getattr(rules, kind) if kind else None


def is_map(f):
    return bool(f.message_type and f.message_type.GetOptions().map_entry)


# ---- messages that keep every rule ----------------------------------------------------------------------------------

def good_scalar(f, kind=None):
    kind = kind if kind is not None else kind_of(rules_of(f, RULES.field))
    said = {r.name: v for r, v in kind.ListFields()} if kind is not None else {}
    if f.type == FD.TYPE_STRING:
        return 'https://h.example/a' if 'uri' in said else 'a1'
    if f.type == FD.TYPE_BYTES:
        return b'x' * said.get('len', 1)
    if f.type == FD.TYPE_ENUM:
        return said['in'][0] if 'in' in said else f.enum_type.values[-1].number
    return True if f.type == FD.TYPE_BOOL else 1


def put(m, f):
    """Gives the field a good value, without more than it needs; the part of it that may have rules inside."""
    if is_map(f):
        value = f.message_type.fields_by_name['value']
        if value.message_type:
            return complete(getattr(m, f.name)['k'])
        getattr(m, f.name)['k'] = good_scalar(value)
        return None
    if f.is_repeated and f.message_type:
        return complete(getattr(m, f.name).add())
    if f.message_type:
        getattr(m, f.name).SetInParent()
        return complete(getattr(m, f.name))
    if f.is_repeated:
        getattr(m, f.name).append(good_scalar(f, kind_of(rules_of(f, RULES.field).repeated.items)))
    else:
        setattr(m, f.name, good_scalar(f))
    return None


def complete(m):
    """Puts in what the rules want to be there."""
    for f in m.DESCRIPTOR.fields:
        rules = rules_of(f, RULES.field)
        if f.containing_oneof and not rules.required:
            continue
        if rules.required or (rules.ByteSize() and not f.message_type) or (f.is_repeated and rules.repeated.min_items):
            put(m, f)
    for oneof in m.DESCRIPTOR.oneofs:
        if rules_of(oneof, RULES.oneof).required and not m.WhichOneof(oneof.name):
            put(m, oneof.fields[0])
    if m.DESCRIPTOR.full_name == 'flyteidl2.notification.DeliveryConfigTemplate':  # an expression: one of its fields
        put(m, m.DESCRIPTOR.fields_by_name['email'])
    return m


# ---- rules, and what breaks each ------------------------------------------------------------------------------------

@dataclass
class Rule:
    owner: object  # the descriptor of the message that it is in
    field: str  # a field or a oneof; '' for a rule of the message
    id: str  # as violations have it
    fields: tuple  # what has to be there first
    break_: Callable | None  # of a message of that type; None: nothing does

    @property
    def name(self):
        return f'{self.owner.full_name}.{self.field} {self.id}'


def bad_scalar(f, rule, limit):
    """A value that breaks the rule; None when there is none."""
    match rule:
        case 'min_len':
            return 'a' * (limit - 1)
        case 'max_len':
            return 'a' * (limit + 1)
        case 'pattern' | 'uri':
            return 'a b'
        case 'len':
            return b'x' * (limit + 1)
        case 'gt':
            return limit
        case 'gte':
            return None if limit == 0 and f.type in UNSIGNED else limit - 1
        case 'lte':
            return limit + 1
        case 'in':
            return 0
        case 'not_in':
            return limit[0]
        case 'defined_only':
            return 77
    raise NotImplementedError(rule)


def scalar_rules(f, kind):
    """(id, a value that breaks it) of each."""
    name = kind.DESCRIPTOR.name.removesuffix('Rules').lower()
    for r, limit in kind.ListFields():
        yield f'{name}.{r.name}', bad_scalar(f, r.name, limit)


def set_seconds(m, name, limit, more):
    getattr(m, name).CopyFrom(limit)
    getattr(m, name).seconds += more


def resize(values, n):
    values.extend([values[0]] * (n - len(values)))
    del values[n:]


def fill_map(values, n):
    for i in range(n):
        values[f'k{i}'] = 'v'


def swap_key(values, key):
    values[key] = values.pop('k')


# Broken by hand: rules that are expressions.
EXPRESSIONS = {
    'at_least_one_required': lambda m: m.Clear(),
    'backoff.cap_required_when_factor_gt_1': lambda m: (setattr(m, 'factor', 2), m.ClearField('cap')),
    'paused_rule_exclusive': lambda m: m.on_phases.append(9),
    'queue_identifier.domain_project_combination': lambda m: setattr(m, 'project', 'p'),
    'relation_type.greater_than_zero': lambda m: setattr(m, 'relation_type', -1),
    'reuse_policy.replica_bounds': lambda m: (setattr(m, 'min_replicas', 2), setattr(m, 'max_replicas', 1)),
}


def field_rules(d, f):
    """(id, what breaks it) of each; None for what nothing breaks."""
    rules, name = rules_of(f, RULES.field), f.name
    if rules.required:
        yield 'required', lambda m: m.ClearField(name)
    for cel in rules.cel:
        yield cel.id, EXPRESSIONS[cel.id]
    kind = kind_of(rules)
    if kind is None:
        return
    if is_map(f):
        entry = f.message_type.fields_by_name
        if kind.max_pairs:
            yield 'map.max_pairs', lambda m: fill_map(getattr(m, name), kind.max_pairs)
        for id, bad in scalar_rules(entry['key'], kind.keys.string):
            yield id, lambda m, bad=bad: swap_key(getattr(m, name), bad)
        for id, bad in scalar_rules(entry['value'], kind.values.string):
            yield id, lambda m, bad=bad: getattr(m, name).update(k=bad)
    elif f.is_repeated:
        if kind.min_items:
            yield 'repeated.min_items', lambda m: resize(getattr(m, name), kind.min_items - 1)
        if kind.max_items:
            yield 'repeated.max_items', lambda m: resize(getattr(m, name), kind.max_items + 1)
        if kind.unique:
            yield 'repeated.unique', lambda m: resize(getattr(m, name), 2)
        for id, bad in scalar_rules(f, kind_of(kind.items)) if kind.HasField('items') else ():
            yield id, lambda m, bad=bad: getattr(m, name).__setitem__(0, bad)
    elif f.message_type:  # a Duration
        id = 'duration.' + '_'.join(r.name for r in sorted((r for r, _ in kind.ListFields()), key=lambda r: r.name))
        for r, limit in kind.ListFields():
            yield id, lambda m, r=r, limit=limit: set_seconds(m, name, limit, -1 if r.name == 'gte' else 1)
    else:
        for id, bad in scalar_rules(f, kind):
            yield id, None if bad is None else lambda m, bad=bad: setattr(m, name, bad)


def rules(d):
    """Every rule of a message type, less those inside its fields."""
    for f in d.fields:
        for id, break_ in field_rules(d, f):
            yield Rule(d, f.name, id, (f,), break_)
    for o in d.oneofs:
        if rules_of(o, RULES.oneof).required:
            yield Rule(d, o.name, 'required', (), lambda m, name=o.name: m.ClearField(m.WhichOneof(name)))
    for cel in rules_of(d, RULES.message).cel:
        yield Rule(d, '', cel.id, (), EXPRESSIONS[cel.id])


# ---- requests -------------------------------------------------------------------------------------------------------

def below(f):
    """The message type inside the field, if there is one."""
    return f.message_type.fields_by_name['value'].message_type if is_map(f) else f.message_type


def ways(d):
    """Each message type that a message of d may hold -> the fields that lead to it, by the shortest way."""
    found, todo = {d.full_name: (d, ())}, deque([(d, ())])
    while todo:
        at, way = todo.popleft()
        for f in at.fields:
            inner = below(f)
            if inner is not None and inner.full_name not in found:
                found[inner.full_name] = (inner, way + (f,))
                todo.append((inner, way + (f,)))
    return found.values()


def present(m, f):
    return m.HasField(f.name) if f.has_presence else f.is_repeated and len(getattr(m, f.name)) > 0


def step_into(m, f):
    """The message in the field, which is made when it is not there."""
    if not present(m, f):
        return put(m, f)
    value = getattr(m, f.name)
    return value['k'] if is_map(f) else value[0] if f.is_repeated else value


def place_of(way):
    """As in the path of a violation."""
    return '.'.join(f.name + ('["k"]' if is_map(f) else '[0]' if f.is_repeated else '') for f in way)


def follow(m, way):
    for f in way:
        m = step_into(m, f)
    return m


def requests(d):
    """(rule, the place of its field, a request that breaks it and no other) for each rule within reach of d that anything
    breaks."""
    for owner, way in ways(d):
        for rule in rules(owner):
            if rule.break_ is None:
                continue
            request = complete(message_factory.GetMessageClass(d)())
            m = follow(request, way)
            for f in rule.fields:
                if not present(m, f):
                    put(m, f)
            rule.break_(m)
            yield rule, '.'.join(filter(None, (place_of(way), rule.field))), request
