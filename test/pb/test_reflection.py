"""What a client learns of a server by reflection: all services, and of each file what the published IDL says."""
import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest as Request
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse as Response

from published import FILES, assert_published

SERVICES = {f'{file.package}.{s.name}': (file.name, [m.name for m in s.method]) for file in FILES.values() for s in file.service}
OF_GRPC = {'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'}


@pytest.fixture(scope='module')
def channel(server):
    with grpc.insecure_channel(server.endpoint, [('grpc.enable_http_proxy', 0)]) as c:
        yield c


@pytest.fixture(params=['v1', 'v1alpha'])
def ask(channel, request):
    """ask(request, ...) -> the answers; both versions have the same messages, under two names."""
    path = f'/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo'
    rpc = channel.stream_stream(path, Request.SerializeToString, Response.FromString)

    def answers(*questions):
        out = list(rpc(iter(questions), timeout=60))
        assert [a.original_request for a in out] == list(questions)
        return out

    return answers


def files(answer):
    return [descriptor_pb2.FileDescriptorProto.FromString(f) for f in answer.file_descriptor_response.file_descriptor_proto]


def test_all_services(ask):
    answer, = ask(Request(list_services='*'))
    assert {s.name for s in answer.list_services_response.service} == SERVICES.keys() | OF_GRPC


def test_every_file_is_the_published_one_and_comes_with_what_it_imports(ask):
    for name, answer in zip(FILES, ask(*(Request(file_by_filename=name) for name in FILES))):
        sent = {f.name: f for f in files(answer)}
        assert_published(sent[name])
        assert {i for f in sent.values() for i in f.dependency} <= sent.keys()


def test_every_method_is_found(ask):
    symbols = {f'{service}.{m}': name for service, (name, methods) in SERVICES.items() for m in methods}
    for (symbol, name), answer in zip(symbols.items(), ask(*(Request(file_containing_symbol=s) for s in symbols))):
        assert files(answer)[0].name == name, symbol


def test_what_is_not_there(ask):
    symbol, file = ask(Request(file_containing_symbol='flyteidl2.workflow.NopeService'), Request(file_by_filename='nope.proto'))
    assert symbol.error_response.error_code == file.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_client_of_the_grpc_project(channel):
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    for service, (_, methods) in SERVICES.items():
        assert [m.name for m in pool.FindServiceByName(service).methods] == methods
