"""clients/openapi: up to date with the IDL, and byte for byte what the real generator makes of it."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('TERN') or ROOT / 'build' / 'tern').parent
DEPS = BUILD / 'gen' / 'third_party.binpb'
OUT = ROOT / 'clients' / 'openapi'
PLUGIN = 'github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2'
VERSION = 'v2.27.4'


def test_the_documents_are_up_to_date():
    p = subprocess.run([sys.executable, ROOT / 'tools/swagger.py', '--check', '--idl', 'idl', '--deps', DEPS, '--out', OUT],
                       cwd=ROOT, capture_output=True, text=True)
    assert p.returncode == 0, p.stderr
    protos = {p.relative_to(ROOT / 'idl').with_suffix('') for p in (ROOT / 'idl/flyteidl2').rglob('*.proto')}
    written = {p.relative_to(OUT).with_suffix('').with_suffix('') for p in OUT.rglob('*.swagger.json')}
    assert written == protos


@pytest.fixture(scope='module')
def plugin():
    go = shutil.which('go', path=f"{ROOT / '.venv/bin'}:{os.environ['PATH']}")
    if not go:
        pytest.skip('needs Go')
    path = ROOT / 'build' / 'go' / VERSION / 'protoc-gen-openapiv2'
    if not path.exists():
        subprocess.run([go, 'install', f'{PLUGIN}@{VERSION}'], check=True, cwd='/',
                       env={**os.environ, 'GOBIN': str(path.parent), 'GOFLAGS': '-mod=mod'})
    return path


def request(path):
    """What protoc would ask the plugin for; descriptor.proto as it is since editions, for names in it count."""
    from google.protobuf import descriptor_pb2
    from google.protobuf.compiler import plugin_pb2
    protos = sorted(str(p.relative_to(ROOT / 'idl')) for p in (ROOT / 'idl/flyteidl2').rglob('*.proto'))
    subprocess.run(['protoc', '-Iidl', f'--descriptor_set_in={DEPS}', '--include_imports', '--include_source_info',
                    f'--descriptor_set_out={path}', *protos], cwd=ROOT, check=True, capture_output=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    for f in files:
        if f.name == descriptor_pb2.DESCRIPTOR.name:
            f.Clear()
            descriptor_pb2.DESCRIPTOR.CopyToProto(f)
    return plugin_pb2.CodeGeneratorRequest(file_to_generate=protos, proto_file=files,
                                           parameter='json_names_for_fields=false,allow_delete_body=true')


def test_the_real_generator_writes_the_same(plugin, tmp_path):
    from google.protobuf.compiler import plugin_pb2
    asked = request(tmp_path / 'idl.binpb')
    p = subprocess.run([plugin], input=asked.SerializeToString(), capture_output=True, check=True)
    answer = plugin_pb2.CodeGeneratorResponse.FromString(p.stdout)
    assert not answer.error
    sys.path.insert(0, str(ROOT / 'tools'))
    import swagger
    common = json.loads((ROOT / 'tools/swagger_common.json').read_text())
    assert len(answer.file) == len(asked.file_to_generate)
    for file in answer.file:
        document = json.loads(file.content)
        assert swagger.to_text(document) == file.content  # nothing is lost by reading it
        for name in common.keys() & document['definitions'].keys():
            document['definitions'][name] = common[name]  # the imports have no comments here
        assert (OUT / file.name).read_text() == swagger.to_text(document), file.name
