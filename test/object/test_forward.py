"""Buckets of others, reached through Tern (D-14): forwarded to a second Tern, whose signatures are checked, and to moto, an
independent implementation."""
import contextlib
import io
import os
import pathlib
import random
import socket
import threading
import time
import urllib.error
import urllib.request

import botocore.exceptions
import obstore
import pytest
from moto_server import start_moto
from obstore.store import S3Store

from conftest import READER, Raw, S3d, Signer, code_of, running

MIB = 1 << 20
SECRET = 'a-secret-that-no-log-may-hold'


@pytest.fixture(scope='module')
def moto():
    with start_moto('moto') as endpoint:
        yield endpoint


@pytest.fixture(scope='module')
def far():
    """The second Tern."""
    with running() as s:
        yield s


@pytest.fixture(scope='module')
def near(far, moto, tmp_path_factory):
    """The Tern that forwards."""
    key_id, secret = far.keys()
    path = tmp_path_factory.mktemp('keys') / 'secret'
    path.write_text(secret + '\n')
    os.environ['TEST_FAR_KEY_ID'] = key_id
    os.environ.setdefault('ASAN_OPTIONS', 'quarantine_size_mb=8')  # what is freed is to be gone, for the test of memory
    reader = far.keys(kind=READER)
    with running(f'far {far.endpoint}/ name=tern key_id=env:TEST_FAR_KEY_ID secret=file:{path}',
                 f'far2 {far.endpoint} name=tern key_id=env:TEST_FAR_KEY_ID secret=file:{path} region=eu-north-1',
                 f'read-only {far.endpoint} name=tern key_id={reader[0]} secret={reader[1]}',
                 f'wrong-keys {far.endpoint} name=tern key_id={key_id} secret={SECRET}',
                 f'moto {moto} key_id=test secret={SECRET} token=some-token',
                 'nobody http://127.0.0.1:1 key_id=a secret=b') as s:
        yield s
        assert SECRET not in s.log() and secret not in s.log()


@pytest.fixture
def s3(near):
    return near.client()


BUCKETS = pytest.mark.parametrize('bucket', ['far', 'moto'])


def error(call, **args):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**args)
    return e.value.response['Error'], e.value.response['ResponseMetadata']['HTTPStatusCode']


# ---- what clients do --------------------------------------------------------------------------------------------------


@BUCKETS
def test_put_get_head_delete(s3, bucket):
    s3.put_object(Bucket=bucket, Key='a/b', Body=b'0123456789', ContentType='text/x', Metadata={'who': 'me'},
                  CacheControl='no-store', ContentEncoding='identity')
    got = s3.get_object(Bucket=bucket, Key='a/b')
    assert got['Body'].read() == b'0123456789'
    head = s3.head_object(Bucket=bucket, Key='a/b')
    for o in (got, head):
        assert (o['ContentType'], o['Metadata'], o['CacheControl'], o['ContentLength']) == ('text/x', {'who': 'me'},
                                                                                            'no-store', 10)
    assert head['ETag'] == got['ETag'] and head['LastModified']
    assert error(s3.get_object, Bucket=bucket, Key='a/b', IfNoneMatch=head['ETag'])[1] == 304
    assert error(s3.get_object, Bucket=bucket, Key='a/b', IfMatch='"other"')[1] == 412
    s3.delete_object(Bucket=bucket, Key='a/b')
    assert error(s3.get_object, Bucket=bucket, Key='a/b')[0]['Code'] == 'NoSuchKey'
    assert error(s3.head_object, Bucket=bucket, Key='a/b')[1] == 404


@BUCKETS
def test_ranges(s3, bucket):
    body = random.Random(1).randbytes(3 * MIB)
    s3.put_object(Bucket=bucket, Key='r', Body=body)
    for spec, a, b in (('bytes=0-0', 0, 1), ('bytes=1000-2000000', 1000, 2000001), ('bytes=-5', len(body) - 5, len(body)),
                       ('bytes=3000000-', 3000000, len(body))):
        got = s3.get_object(Bucket=bucket, Key='r', Range=spec)
        assert got['ResponseMetadata']['HTTPStatusCode'] == 206
        assert got['Body'].read() == body[a:b]
        assert got['ContentRange'] == f'bytes {a}-{b - 1}/{len(body)}'
    assert error(s3.get_object, Bucket=bucket, Key='r', Range='bytes=9000000-')[1] == 416


@BUCKETS
@pytest.mark.parametrize('key', ['sp ace', 'plus+', 'ümlaut/日本', 'a=b&c;d', "q?#'()*!", 'tilde~', '%41', 'a//b', 'x:y@z$,'])
def test_keys(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)['Body'].read() == key.encode()
    assert key in [o['Key'] for o in s3.list_objects_v2(Bucket=bucket)['Contents']]
    s3.delete_object(Bucket=bucket, Key=key)


def test_dots_stay_what_they_are(s3):
    for key in ('d/../e', 'd/./e', '..', 'd/..'):
        s3.put_object(Bucket='far', Key=key, Body=b'x')
        assert s3.get_object(Bucket='far', Key=key)['Body'].read() == b'x'
        s3.delete_object(Bucket='far', Key=key)


@BUCKETS
def test_list(s3, bucket):
    keys = [f'l/{i:03}' for i in range(25)] + ['l/sub/a', 'l/sub/b', 'l/ä b']
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b'')
    pages = s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, Prefix='l/', PaginationConfig={'PageSize': 10})
    assert [o['Key'] for p in pages for o in p.get('Contents', [])] == sorted(keys)
    got = s3.list_objects_v2(Bucket=bucket, Prefix='l/', Delimiter='/')
    assert [p['Prefix'] for p in got['CommonPrefixes']] == ['l/sub/'] and got['KeyCount'] == 27
    done = s3.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': k} for k in keys]})
    assert len(done['Deleted']) == len(keys)
    assert s3.list_objects_v2(Bucket=bucket, Prefix='l/')['KeyCount'] == 0


@BUCKETS
def test_multipart(s3, bucket):
    body = random.Random(2).randbytes(17 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, 'm')
    assert s3.head_object(Bucket=bucket, Key='m')['ETag'].endswith('-3"')
    out = io.BytesIO()
    s3.download_fileobj(bucket, 'm', out)
    assert out.getvalue() == body
    upload = s3.create_multipart_upload(Bucket=bucket, Key='n')['UploadId']
    s3.upload_part(Bucket=bucket, Key='n', UploadId=upload, PartNumber=1, Body=b'x')
    assert len(s3.list_parts(Bucket=bucket, Key='n', UploadId=upload)['Parts']) == 1
    s3.abort_multipart_upload(Bucket=bucket, Key='n', UploadId=upload)
    assert error(s3.list_parts, Bucket=bucket, Key='n', UploadId=upload)[0]['Code'] == 'NoSuchUpload'


@pytest.mark.parametrize('bucket, source', [('far', 'far2'), ('far', 'far'), ('moto', 'moto')])
def test_copies_within_a_server(s3, bucket, source):
    s3.put_object(Bucket=source, Key='from ü', Body=b'copied')
    s3.copy_object(Bucket=bucket, Key='to', CopySource={'Bucket': source, 'Key': 'from ü'})
    assert s3.get_object(Bucket=bucket, Key='to')['Body'].read() == b'copied'


def test_copies_between_servers_are_refused(s3):
    s3.put_object(Bucket='tern', Key='own', Body=b'x')
    for bucket, source in (('far', 'tern'), ('far', 'moto'), ('far', 'unknown')):
        assert error(s3.copy_object, Bucket=bucket, Key='c', CopySource=f'{source}/own')[0]['Code'] == 'NotImplemented'
    assert error(s3.copy_object, Bucket='tern', Key='c', CopySource='far/own')[0]['Code'] == 'AccessDenied'


@BUCKETS
def test_obstore(near, bucket):
    key_id, secret = near.keys()
    st = S3Store(bucket, endpoint=near.endpoint, access_key_id=key_id, secret_access_key=secret, region='us-east-1',
                 client_options={'allow_http': True}, retry_config={'max_retries': 0})
    body = random.Random(4).randbytes(23 * MIB)
    st.put('o/parts', body, use_multipart=True, chunk_size=5 * MIB, max_concurrency=5)
    assert bytes(st.get('o/parts').bytes()) == body
    assert bytes(st.get_range('o/parts', start=7, end=6 * MIB)) == body[7:6 * MIB]
    assert b''.join(bytes(c) for c in st.get('o/parts').stream(min_chunk_size=MIB)) == body
    with obstore.open_writer(st, 'o/stream', buffer_size=5 * MIB) as w:
        for i in range(0, len(body), MIB):
            w.write(body[i:i + MIB])
    assert st.head('o/stream')['size'] == len(body)
    assert sorted(o['path'] for batch in st.list('o/') for o in batch) == ['o/parts', 'o/stream']
    st.delete(['o/parts', 'o/stream'])
    with pytest.raises(FileNotFoundError):
        st.get('o/parts')


def test_many_at_a_time(near):
    """More than there are workers."""
    s3 = near.client(max_pool_connections=80)
    def one(i):
        s3.put_object(Bucket='far', Key=f'many/{i}', Body=b'%d' % i * 1000)
        assert s3.get_object(Bucket='far', Key=f'many/{i}')['Body'].read() == b'%d' % i * 1000
        done.append(i)
    done = []
    threads = [threading.Thread(target=one, args=(i,)) for i in range(80)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(done) == list(range(80))


# ---- memory -----------------------------------------------------------------------------------------------------------


def peak(process):
    status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) * 1024


class Bytes(io.RawIOBase):
    """So many bytes, made as they are read."""

    def __init__(self, n):
        self.n, self.at = n, 0

    def readable(self):
        return True

    def readinto(self, b):
        n = min(len(b), self.n - self.at)
        b[:n] = bytes(n)
        self.at += n
        return n


def put_stream(near, bucket, key, size):
    path = f'/{bucket}/{key}'
    sent = Signer(near).headers('PUT', path, 'UNSIGNED-PAYLOAD')
    return Raw(near).send('PUT', path, Bytes(size), {**sent, 'content-length': str(size)})


def test_memory_is_bounded_both_ways(near, s3):
    size = 300 * MIB
    s3.put_object(Bucket='far', Key='small', Body=b'x')
    before = peak(near.process)
    assert put_stream(near, 'far', 'large', size)[0] == 200
    got, n = s3.get_object(Bucket='far', Key='large')['Body'], 0
    assert got.read(1) == b'\0'
    time.sleep(2)  # a reader that takes its time: what is not read waits at the other end
    while chunk := got.read(MIB):
        n += len(chunk)
    assert n == size - 1
    assert peak(near.process) - before < 40 * MIB
    s3.delete_object(Bucket='far', Key='large')


# ---- what goes wrong --------------------------------------------------------------------------------------------------


def test_unknown_buckets_are_refused_naming_the_setting(s3):
    for call in (s3.get_object, s3.head_object):
        e, status = error(call, Bucket='unknown', Key='x')
        assert status == 403
    e, _ = error(s3.put_object, Bucket='unknown', Key='x', Body=b'')
    assert e['Code'] == 'AccessDenied' and 'object.upstreams' in e['Message'] and 'unknown' in e['Message']


def test_errors_of_the_other_server_come_through(s3):
    assert error(s3.get_object, Bucket='wrong-keys', Key='x')[0]['Code'] == 'SignatureDoesNotMatch'
    e, status = error(s3.put_object, Bucket='read-only', Key='x', Body=b'y' * MIB)
    assert (e['Code'], status) == ('AccessDenied', 403)


def test_a_server_that_is_not_there(s3):
    e, status = error(s3.put_object, Bucket='nobody', Key='x', Body=b'y' * MIB)
    assert (e['Code'], status) == ('ServiceUnavailable', 503)
    assert '127.0.0.1:1' in e['Message']


def test_own_keys_still_count(near):
    reader = near.client(near.keys(kind=READER))
    assert error(reader.put_object, Bucket='far', Key='x', Body=b'')[0]['Code'] == 'AccessDenied'
    assert error(reader.delete_objects, Bucket='far', Delete={'Objects': [{'Key': 'x'}]})[0]['Code'] == 'AccessDenied'
    reader.list_objects_v2(Bucket='far')
    stranger = near.client((near.keys()[0], 'x' * 64))
    assert error(stranger.get_object, Bucket='far', Key='x')[0]['Code'] == 'SignatureDoesNotMatch'
    # A presigned URL is for Tern's own bucket.
    url = near.presign('GET', 'x').replace('/tern/', '/far/')
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(url)
    assert e.value.code == 403


@pytest.mark.parametrize('size', [10, 100000, 5 * MIB])
def test_a_body_that_is_not_what_was_signed_is_not_stored(near, s3, size):
    raw = Raw(near)
    sent = raw.signed('PUT', f'/far/bad{size}', b'y' * size)
    status, _, body = raw.send('PUT', f'/far/bad{size}', b'z' * size, sent)
    assert (status, code_of(body)) == (400, 'XAmzContentSHA256Mismatch')
    assert error(s3.head_object, Bucket='far', Key=f'bad{size}')[1] == 404


@pytest.mark.parametrize('wrong', [False, True])
def test_chunks_are_unwrapped_and_checked(near, s3, wrong):
    signer, key = Signer(near), f'chunks{wrong}'
    pieces = [b'a' * 70000, b'b' * 8192, b'c', b'']
    head = signer.headers('PUT', f'/far/{key}', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
                          {'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': '78193'})
    body = b''.join(signer.chunk(p) for p in pieces) + b'\r\n'
    if wrong:
        body = body.replace(b'c\r\n', b'd\r\n')
    status, _, answer = Raw(near).send('PUT', f'/far/{key}', body, head)
    if wrong:
        assert (status, code_of(answer)) == (403, 'SignatureDoesNotMatch')
        assert error(s3.head_object, Bucket='far', Key=key)[1] == 404
    else:
        assert status == 200, answer
        got = s3.get_object(Bucket='far', Key=key)
        assert got['Body'].read() == b''.join(pieces) and 'ContentEncoding' not in got


def test_a_length_is_needed(near):
    raw = Raw(near)
    sent = Signer(near).headers('PUT', '/far/nolength', 'UNSIGNED-PAYLOAD')
    raw.connection.request('PUT', '/far/nolength', iter([b'x', b'y']), sent, encode_chunked=True)
    assert raw.connection.getresponse().status == 411


def head_of(near, method, path, more=''):
    signed = Signer(near).headers(method, path, 'UNSIGNED-PAYLOAD')
    return (f'{method} {path} HTTP/1.1\r\n' + ''.join(f'{n}: {v}\r\n' for n, v in signed.items()) + more + '\r\n').encode()


def cut_off(near, request, read=0):
    with socket.create_connection(('127.0.0.1', near.port)) as s:
        s.sendall(request)
        while read > 0:
            read -= len(s.recv(65536))


def test_clients_that_vanish(near, s3):
    s3.put_object(Bucket='far', Key='vanish', Body=bytes(30 * MIB))
    for _ in range(10):
        cut_off(near, head_of(near, 'PUT', '/far/half', 'content-length: 1000000\r\n') + b'x' * 500000)
        cut_off(near, head_of(near, 'GET', '/far/vanish'), read=100000)
    assert s3.get_object(Bucket='far', Key='vanish')['Body'].read() == bytes(30 * MIB)
    assert error(s3.head_object, Bucket='far', Key='half')[1] == 404


class Rude:
    """A server that takes a request and answers what it is told to."""

    def __init__(self, answer):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.answer = answer
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.endpoint = f'http://127.0.0.1:{self.socket.getsockname()[1]}'

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            with c:
                self.got = c.recv(65536)
                with contextlib.suppress(OSError):  # it may have heard enough
                    c.sendall(self.answer)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(65536):
                        pass

    def close(self):
        self.socket.close()


@pytest.mark.parametrize('answer, expected', [
    (b'', 503),
    (b'garbage\r\n\r\n', 503),
    (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "e"\r\n\r\nshort', None),
    (b'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n', 302),
    (b'HTTP/1.1 200 OK\r\n' + b''.join(b'X-Amz-Meta-%d: %s\r\n' % (i, b'v' * 1000) for i in range(300)) + b'\r\n', 503),
    (b'HTTP/1.1 200 OK\r\nETag: "e"\r\nX-Amz-Meta-A: a\x01b\r\nSet-Cookie: evil=1\r\n\r\nall of it', 200),
], ids=['nothing', 'garbage', 'cut', 'redirect', 'headers', 'odd'])
def test_rude_servers(answer, expected):
    rude = Rude(answer)
    s = S3d([f'rude {rude.endpoint} key_id=k secret={SECRET}'])
    try:
        s.start()
        raw = Raw(s)
        if expected is None:
            with pytest.raises(Exception) as e:
                raw.request('GET', '/rude/x')
            assert 'IncompleteRead' in repr(e.value) or 'closed' in repr(e.value)
        else:
            status, headers, body = raw.request('GET', '/rude/x')
            assert status == expected
            assert 'set-cookie' not in headers and (status != 200 or body == b'all of it')
        assert SECRET.encode() not in getattr(rude, 'got', b'')
        s.stop()
        assert SECRET not in s.log()
    finally:
        rude.close()
        s.close()


@pytest.mark.parametrize('entry, says', [
    ('b', 'endpoint'), ('b ftp://x', 'endpoint'), ('b http://x/path', 'endpoint'), ('b http://user:pw@x', 'endpoint'),
    ('tern http://x', "own"), ('b http://x key_id=a', 'belong together'), ('b http://x key_id=env:TERN_NO_SUCH secret=x', 'key_id'),
    ('b http://x key_id=a secret=file:/no/such/file', 'secret'), (f'b http://x colour={SECRET}', 'what follows'),
])
def test_settings_that_make_no_sense(entry, says):
    s = S3d([entry])
    try:
        with pytest.raises(AssertionError):
            s.start()
        assert 'object.upstreams' in s.log() and says in s.log() and SECRET not in s.log()
    finally:
        s.close()
