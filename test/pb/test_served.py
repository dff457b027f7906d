"""A running server refuses each request that breaks a rule of the IDL: every RPC, every rule within reach of its request,
broken alone, in JSON by Connect and in binary by gRPC. protovalidate judges the requests before they are sent."""
import functools
import http.client
import json
import re
import sqlite3
import struct

import grpc
import pytest
from google.protobuf import json_format, message_factory
from harness import Tern

from broken import complete, follow, requests, ways
from judge import path_of, violations
from messages import modules

# protovalidate's Python form cannot evaluate the expression of this message once it has other than one phase.
UNDECIDED = {'flyteidl2.task.InlineRule.on_phases repeated.unique', 'flyteidl2.task.InlineRule. paused_rule_exclusive'}

METHODS = {f'{s.full_name}/{m.name}': m for module in modules() for s in module.DESCRIPTOR.services_by_name.values()
           for m in s.methods}
# Answer UNIMPLEMENTED: this version does not run apps.
MISSING = {f'flyteidl2.app.AppService/{name}' for name in
           ('Create', 'Delete', 'Get', 'Lease', 'List', 'Update', 'UpdateStatus', 'Watch')} | {'flyteidl2.app.AppLogsService/TailLogs'}
# No rule that is enforced is within reach of their requests.
FREE = {f'flyteidl2.{name}' for name in (
    'auth.AuthMetadataService/GetOAuth2Metadata', 'auth.AuthMetadataService/GetPublicClientConfig',
    'auth.IdentityService/UserInfo', 'cacheservice.CacheService/Delete', 'cacheservice.CacheService/Get',
    'cacheservice.CacheService/GetOrExtendReservation', 'cacheservice.CacheService/ReleaseReservation',
    'connector.AsyncConnectorService/DeleteTask', 'connector.AsyncConnectorService/GetTask',
    'connector.AsyncConnectorService/GetTaskLogs', 'connector.AsyncConnectorService/GetTaskMetrics',
    'connector.ConnectorMetadataService/GetConnector', 'connector.ConnectorMetadataService/ListConnectors',
    'org.DomainService/ListDomains', 'project.ProjectService/CreateProject', 'project.ProjectService/GetProject',
    'project.ProjectService/ListProjects', 'project.ProjectService/UpdateProject', 'secret.SecretService/ListSecrets',
    'workflow.TranslatorService/LaunchFormJsonToLiterals')}

# The server cuts a map's keys in what it says.
LONG_KEY = re.compile(r'((?<=\[")[^"]{40})[^"]*')


class Client:
    """Both protocols, one connection each."""

    def __init__(self, endpoint):
        self.http = http.client.HTTPConnection(endpoint, timeout=60)
        self.channel = grpc.insecure_channel(endpoint, [('grpc.enable_http_proxy', 0)])

    def connect(self, rpc, message):
        """(code, text) of the error."""
        return self.connect_json(rpc, json_format.MessageToJson(message, indent=None).encode())

    def connect_json(self, rpc, body):
        streams = METHODS[rpc].server_streaming or METHODS[rpc].client_streaming
        kind = 'application/connect+json' if streams else 'application/json'
        self.http.request('POST', f'/{rpc}', struct.pack('>BI', 0, len(body)) + body if streams else body, {'Content-Type': kind})
        answer = self.http.getresponse().read()
        if not streams:
            error = json.loads(answer)
            return error.get('code'), error.get('message', '')
        flags, size = struct.unpack('>BI', answer[:5])
        error = json.loads(answer[5:5 + size]).get('error', {}) if flags == 2 else {}
        return error.get('code'), error.get('message', '')

    def grpc(self, rpc, message, timeout=60):
        try:
            for _ in self.channel.stream_stream(f'/{rpc}')(iter([message.SerializeToString()]), timeout=timeout):
                pass
        except grpc.RpcError as e:
            return e.code().name.lower(), e.details()
        return None, ''

    def close(self):
        self.http.close()
        self.channel.close()


@pytest.fixture(scope='module')
def client(server):
    c = Client(server.endpoint)
    yield c
    c.close()


def kept(server):
    """All that the server keeps: the rows of its databases, what it has written down of changes among them, and objects."""
    kept = [str(p) for p in (server.data / 'objects').rglob('*') if p.suffix != '.lock']
    for name in ('tern.db', 'objects.db'):
        db = sqlite3.connect(f'file:{server.data / name}?mode=ro', uri=True)
        kept += db.iterdump()
        db.close()
    return kept


def broken_at(rule, place, request):
    """Where the judge sees the rule broken; None when it is not enforced."""
    if rule.name in UNDECIDED:
        return place
    found = violations(request)
    if not found:
        return None
    at = {path_of(v) for v in found if v.proto.rule_id == rule.id}
    assert len(at) == 1, (rule.name, found)
    # Nothing else is wrong, but for the message around it.
    where = at.pop()
    assert all(where.startswith(path_of(v)) for v in found), (rule.name, found)
    return where


@functools.cache
def broken_requests(rpc):
    """[(where, rule, request)] of the rules that are enforced."""
    out = [(broken_at(rule, place, request), rule.name, request) for rule, place, request in requests(METHODS[rpc].input_type)]
    return [(LONG_KEY.sub(r'\1', where), rule, request) for where, rule, request in out if where is not None]


def short(rpc):
    return rpc.removeprefix('flyteidl2.')


def test_the_others_have_no_rules():
    assert not any(map(broken_requests, FREE))


@pytest.mark.parametrize('rpc', sorted(METHODS.keys() - MISSING - FREE), ids=short)
def test_each_rule_broken_alone(server, client, rpc):
    before = kept(server)
    assert broken_requests(rpc)
    for where, rule, request in broken_requests(rpc):
        for protocol in (client.connect, client.grpc):
            code, text = protocol(rpc, request)
            assert code == 'invalid_argument' and text.startswith(f'{where}: ' if where else ''), (rule, where, code, text)
    after = kept(server)
    assert set(after) == set(before), set(after) ^ set(before)


@pytest.mark.parametrize('rpc', sorted(MISSING), ids=short)
def test_what_is_missing_says_so_before_it_looks_at_rules(client, rpc):
    assert broken_requests(rpc)
    for where, rule, request in broken_requests(rpc):
        assert client.connect(rpc, request)[0] == client.grpc(rpc, request)[0] == 'unimplemented', rule


# ---- organizations: there are none, and nobody has to name one ------------------------------------------------------

def without_organization(rpc):
    """Requests that are good but for an organization that is empty."""
    for rule, place, request in requests(METHODS[rpc].input_type):
        if rule.id == 'string.min_len' and (rule.field in ('org', 'organization') or 'Org' in rule.owner.name):
            assert broken_at(rule, place, request) is None
            yield place, request


@pytest.fixture(scope='module')
def own_server(tmp_path_factory):
    """One that may change."""
    tern = Tern(tmp_path_factory.mktemp('own') / 'tern').start()
    yield tern
    tern.finish()


@pytest.fixture(scope='module')
def own_client(own_server):
    c = Client(own_server.endpoint)
    yield c
    c.close()


def test_an_empty_organization_is_accepted_everywhere(own_client):
    asked = 0
    for rpc in sorted(METHODS.keys() - MISSING):
        for place, request in without_organization(rpc):
            # Watches go on until there is no more time.
            code, text = own_client.grpc(rpc, request, timeout=0.3 if METHODS[rpc].server_streaming else 60)
            assert not (code == 'invalid_argument' and place.rpartition('.')[2] in text), (rpc, place, code, text)
            asked += 1
    assert asked > 100


# ---- enum values that nobody has defined ----------------------------------------------------------------------------

UNDEFINED = 77777  # stands nowhere else in a request
SERVER_FAULTS = {'internal', 'unknown', 'data_loss', 'unavailable', 'aborted'}


@functools.cache
def with_undefined(rpc):
    """[(field, a request in which its value is one that nobody has defined)] of each enum within reach."""
    d, out = METHODS[rpc].input_type, []
    for owner, way in ways(d):
        for f in owner.fields:
            undecided = any(name.startswith(f'{f.full_name} ') for name in UNDECIDED)
            if f.enum_type and not undecided and not f.enum_type.file.name.startswith('google/protobuf/'):
                request = complete(message_factory.GetMessageClass(d)())
                m = follow(request, way)
                if f.is_repeated:
                    getattr(m, f.name).append(UNDEFINED)
                else:
                    setattr(m, f.name, UNDEFINED)
                out.append((f, request))
    return out


WITH_ENUMS = sorted(rpc for rpc in METHODS.keys() - MISSING if with_undefined(rpc))


def breaks_rule(request, f):
    return any(path_of(v).rpartition('.')[2].partition('[')[0] == f.name for v in violations(request))


def endless(rpc, request):
    """Watches that are not refused go on until there is no more time."""
    return METHODS[rpc].server_streaming and not violations(request)


def refused(answer, f):
    return answer[0] == 'invalid_argument' and f.name in answer[1]


@pytest.mark.parametrize('rpc', WITH_ENUMS, ids=short)
def test_a_number_that_an_enum_does_not_have(own_server, own_client, rpc):
    """Enums of proto3 are open: it is a value like any other, in both forms, refused where a rule says so; then nothing is
    changed. What the server makes of it else is never the server's fault."""
    for f, request in with_undefined(rpc):
        bad = breaks_rule(request, f)
        before = kept(own_server) if bad else []
        if endless(rpc, request):
            answers = [own_client.grpc(rpc, request, timeout=0.3)]
        else:
            answers = [own_client.connect(rpc, request), own_client.grpc(rpc, request)]
        for answer in answers:
            assert answer[0] not in SERVER_FAULTS, (f.full_name, answer)
            assert not bad or refused(answer, f), (f.full_name, answer)
        assert not bad or set(kept(own_server)) == set(before), f.full_name


@pytest.mark.parametrize('rpc', WITH_ENUMS, ids=short)
def test_a_name_that_an_enum_does_not_have(own_server, own_client, rpc):
    """In JSON it is passed over as a field is that nobody knows, and as the official packages do when they are told to: the
    answer is the one to what they read. Where the value is needed, that is a refusal, and nothing is changed."""
    for f, request in with_undefined(rpc):
        body = json_format.MessageToJson(request, indent=None).replace(str(UNDEFINED), '"NO_SUCH_NAME"')
        read = json_format.Parse(body, type(request)(), ignore_unknown_fields=True)
        if endless(rpc, read):
            continue
        bad = breaks_rule(read, f)
        own_client.connect(rpc, read)  # what this changes is changed
        before = kept(own_server) if bad else []
        answer, same = own_client.connect_json(rpc, body.encode()), own_client.connect(rpc, read)
        assert answer == same and answer[0] not in SERVER_FAULTS, (f.full_name, answer, same)
        assert not bad or refused(answer, f), (f.full_name, answer)
        assert not bad or set(kept(own_server)) == set(before), f.full_name
