"""Our idl/ is the published IDL: every symbol of the flyteidl2 package, compared one by one (D-54)."""
import importlib
import os

import pytest
from google.protobuf import descriptor_pb2

from published import FILES, assert_published

BUILD = os.environ.get('BUILD', 'build')


def ours():
    with open(f'{BUILD}/gen/idl.binpb', 'rb') as f:
        return {x.name: x for x in descriptor_pb2.FileDescriptorSet.FromString(f.read()).file}


OURS = ours()


def test_all_files_are_there():
    assert len(FILES) == 86
    assert set(FILES) == {n for n in OURS if n.startswith('flyteidl2/')}


@pytest.mark.parametrize('name', sorted(FILES))
def test_file(name):
    assert_published(OURS[name])


def test_rules_are_readable():
    run = next(m for m in ours()['flyteidl2/common/identifier.proto'].message_type if m.name == 'ActionIdentifier')
    assert run.field[0].options.Extensions[importlib.import_module('buf.validate.validate_pb2').field].required
