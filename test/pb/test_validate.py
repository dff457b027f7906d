"""pb_validate() against protovalidate, the rules' own implementation: the same messages pass, and the field that we name
is one that it names too."""
import random

import pytest

from judge import path_of, violations
from messages import FD, all_types

# protovalidate's Python form cannot evaluate this message's expression; test/unit/pb/validate_test.c has it.
NOT_DECIDED = 'flyteidl2.task.InlineRule'

TYPES = all_types()


def good_scalar(r, f):
    """A value that most rules accept."""
    if f.type == FD.TYPE_STRING:
        return r.choice(['https://h.example/a?b#c', 's3://b/k']) if f.name.endswith(('url', 'uri')) else 'a1'
    if f.type == FD.TYPE_BYTES:
        return b'0123456789abcdef'
    if f.type == FD.TYPE_ENUM:
        numbers = [v.number for v in f.enum_type.values]
        return 5 if 5 in numbers else numbers[-1]
    if f.type == FD.TYPE_BOOL:
        return True
    return r.choice([1, 2, 3])


def bad_scalar(r, f):
    if f.type == FD.TYPE_STRING:
        return r.choice(['', 'x' * 31, 'é' * 63, 'y' * 64, 'z' * 256, 'a_b', '-a', 'A', 'a-', 'http//x', 'a b', ':', 'x' * 5000])
    if f.type == FD.TYPE_BYTES:
        return r.choice([b'', b'0' * 15, b'0' * 17])
    if f.type == FD.TYPE_ENUM:
        return r.choice([0, 1, 4, 5, 6, 9, 10, 77])
    if f.type == FD.TYPE_BOOL:
        return False
    if f.type in (FD.TYPE_DOUBLE, FD.TYPE_FLOAT):
        return r.choice([0, 0.5, -1, float('nan')])
    return r.choice([0, 1]) if f.type in (FD.TYPE_UINT32, FD.TYPE_UINT64) else r.choice([0, -1, 1])


def fill(r, m, depth, breakage):
    chosen = {o.name: r.choice(o.fields) for o in m.DESCRIPTOR.oneofs}
    for f in m.DESCRIPTOR.fields:
        if f.containing_oneof and chosen[f.containing_oneof.name] is not f:
            continue
        if r.random() < 0.04 + breakage / 2 or (f.message_type and f.message_type.full_name == NOT_DECIDED):
            continue
        scalar = (lambda g: bad_scalar(r, g) if r.random() < breakage else good_scalar(r, g))
        if f.message_type and f.message_type.GetOptions().map_entry:
            key, value = f.message_type.fields_by_name['key'], f.message_type.fields_by_name['value']
            for _ in range(r.choice([1, 1, 2, 25]) if not value.message_type else 1):
                k = scalar(key) if key.type != FD.TYPE_STRING or r.random() < 0.3 else f'k{r.random()}'[:20]
                if not value.message_type:
                    getattr(m, f.name)[k] = scalar(value)
                elif depth:
                    fill(r, getattr(m, f.name)[k], depth - 1, breakage)
        elif f.is_repeated:
            for _ in range(r.choice([1, 1, 2]) if r.random() > breakage else r.choice([0, 33])):
                if f.message_type:
                    if depth:
                        fill(r, getattr(m, f.name).add(), min(depth - 1, 1), breakage)
                else:
                    getattr(m, f.name).append(scalar(f))
        elif f.message_type:
            if f.message_type.full_name == 'google.protobuf.Duration':
                getattr(m, f.name).seconds = r.choice([0, 1, 3600, 3601, -1]) if r.random() < breakage * 3 else 1
                getattr(m, f.name).nanos = r.choice([0, 1, -1]) if r.random() < breakage else 0
            elif depth:
                getattr(m, f.name).SetInParent()
                if not f.message_type.full_name.startswith('google.protobuf.'):
                    fill(r, getattr(m, f.name), depth - 1, breakage)
        else:
            setattr(m, f.name, scalar(f))
    return m


def agree(tool, m):
    want = violations(m)
    status, text = tool('v', m.DESCRIPTOR.full_name, m.SerializeToString())
    shown = f'{m.DESCRIPTOR.full_name}: {text!r} wanted {[path_of(v) for v in want]}\n{str(m)[:2000]}'
    assert status == (3 if want else 0), shown
    if not want:
        return True
    paths = [path_of(v) for v in want]
    named, colon, _ = text.decode().partition(': ')
    if not colon:
        named = ''
    if all(len(p) < 160 for p in paths):  # longer paths are cut
        assert named in paths, shown
    return False


def has_options(d):
    parts = list(d.fields) + list(d.oneofs)
    return any(x.GetOptions().ListFields() for x in parts) or bool(d.GetOptions().ListFields())


def constrained():
    """Types with options inside, which the rules are: the others accept everything."""
    def inner(f):
        entry = f.message_type.GetOptions().map_entry
        value = f.message_type.fields_by_name['value'].message_type if entry else f.message_type
        return value.full_name if value else ''

    reach = {n: {inner(f) for f in c.DESCRIPTOR.fields if f.message_type} for n, c in TYPES.items()}
    found = {n for n, c in TYPES.items() if n.startswith('flyteidl2.') and has_options(c.DESCRIPTOR)}
    while more := {n for n, below in reach.items() if below & found} - found:
        found |= more
    return sorted(found - {NOT_DECIDED})


@pytest.mark.parametrize('breakage', [0.0, 0.03, 0.3])
def test_random_messages(tool, breakage):
    passed = failed = 0
    for name in constrained():
        r = random.Random(f'{name}{breakage}')
        for depth in (1, 2):
            if agree(tool, fill(r, TYPES[name](), depth, breakage)):
                passed += 1
            else:
                failed += 1
    assert passed > 50 and (breakage == 0.0 or failed > 50), (passed, failed)


def test_every_rule_violated_alone(tool):
    """For each field with rules: a good message with only that field damaged, so that each rule decides once."""
    decided = 0
    for name in constrained():
        d = TYPES[name].DESCRIPTOR
        for f in d.fields:
            if not f.GetOptions().ListFields() and not (f.containing_oneof and f.containing_oneof.GetOptions().ListFields()):
                continue
            r = random.Random(f'{name}{f.name}')
            for _ in range(6):
                m = fill(r, TYPES[name](), 1, 0.0)
                if not violations(m):
                    break
            m.ClearField(f.name)
            decided += not agree(tool, m)
            if f.message_type is None and not f.is_repeated:
                for _ in range(2):
                    setattr(m, f.name, bad_scalar(r, f))
                    decided += not agree(tool, m)
    assert decided > 300, decided


URIS = ['https://a', 'http://a/b?c=d#e', 'a:b', 'a', '', ':', '1a:b', 'a://', 'a://[::1]:80/x', 'a://[::1', 'a://[1::2::3]/',
        'a://[v1.x]/', 'a://h:p/', 'a://h:80', 'a://u@h', 'a://u@v@h', 'a:%41', 'a:%4', 'a:%zz', 'a: b', 'a:é', 'a:b#c#d',
        'a:b?c?d', 'a:/b', 'a://h/[x]', 's3://bucket/key', 'mailto:x@y', 'urn:isbn:1', 'a://[1:2:3:4:5:6:7:8]/', 'a://[1:2:3:4:5:6:7]/', 'a://[fe80::1%25en0]/', 'a://[::]', 'a://256.1.1.1/',
        'a:<b>', 'a:"b', 'a:b\\c', 'a:b^', 'a:|', 'a:`', 'a:{}', 'file:///etc/x', 'https://h.example:8080/x/%20y', 'a:\x00',
        'a://[1::]/', 'a://[::1.2.3]/', 'a://[::12345]/', 'A+-.1:x', 'a_b:x', '//h/x', 'a:?#', 'a:#', 'a://?q', 'a://#f']


@pytest.mark.parametrize('uri', URIS)
def test_uris(tool, uri):
    agree(tool, TYPES['flyteidl2.common.ActionAddress'](url=uri))


@pytest.mark.parametrize('name', ['', 'a', '-', 'a-', '-a', 'a-b', 'A', 'aB', 'a.b', 'é', 'a' * 63, 'a' * 64, 'a\nb'])
def test_patterns(tool, name):
    agree(tool, TYPES['flyteidl2.common.OrgIdentifier'](name=name))
    agree(tool, TYPES['flyteidl2.app.Identifier'](org='o', project='p', domain='d', name=name))
    agree(tool, TYPES['flyteidl2.core.ArtifactKey'](name=name))
    agree(tool, TYPES['flyteidl2.artifact.ArtifactName'](project='p', domain='d', name=name))
    agree(tool, TYPES['flyteidl2.secret.SecretIdentifier'](name=name))
