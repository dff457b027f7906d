"""Signatures and signed bodies, as honest clients, clumsy ones and attackers send them."""
import base64
import datetime
import hashlib
import os
import socket
import time
import urllib.parse
import urllib.request
import zlib

import pytest

from conftest import BUCKET, READER, UPLOAD, Raw, Signer, code_of

PATH = '/tern/p/d/r1/signed'


@pytest.fixture(scope='module')
def key(s3d):
    return s3d.keys(project='p', run='r1')


@pytest.fixture
def signer(s3d, key):
    return Signer(s3d, key)


@pytest.fixture
def mine(s3d, key):
    return Raw(s3d, key)


def refused(answer, code, status=403):
    assert (answer[0], code_of(answer[2])) == (status, code), answer
    return answer[2].decode()


def test_changed_after_signing(mine):
    assert mine.request('PUT', PATH, b'x')[0] == 200
    mismatch = 'SignatureDoesNotMatch'
    sent = mine.signed('PUT', PATH, b'x', {'content-type': 'a/b'})
    refused(mine.send('PUT', PATH + '2', b'x', sent), mismatch)
    refused(mine.send('PUT', PATH + '?x=y', b'x', sent), mismatch)
    refused(mine.send('PUT', PATH, b'x', {**sent, 'host': 'evil.example'}), mismatch)
    refused(mine.send('PUT', PATH, b'x', {**sent, 'content-type': 'c/d'}), mismatch)
    refused(mine.send('DELETE', PATH, b'', sent), mismatch)
    refused(mine.send('PUT', PATH, b'y', sent), 'XAmzContentSHA256Mismatch', 400)
    refused(mine.send('PUT', PATH, b'y' * 100000, sent), 'XAmzContentSHA256Mismatch', 400)
    refused(mine.send('PUT', PATH, b'x', {**sent, 'x-amz-meta-more': '1'}), 'AccessDenied')
    refused(mine.send('PUT', PATH, b'x', {**sent, 'x-amz-copy-source': '/tern/q/secret'}), 'AccessDenied')
    assert mine.request('GET', PATH)[2] == b'x'


def test_who_waits_with_the_body_is_told_that_the_connection_ends(s3d, signer):
    """An answer before the body: the client may or may not send that now, so nothing else can come on the connection."""
    head = signer.headers('PUT', PATH)
    head['authorization'] = head['authorization'][:-8] + '00000000'
    with socket.create_connection(('127.0.0.1', s3d.port), timeout=30) as s:
        s.sendall((f'PUT {PATH} HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n' +
                   ''.join(f'{n}: {v}\r\n' for n, v in head.items()) + '\r\n').encode())
        answer = b''
        while more := s.recv(65536):
            answer += more
    lines = answer.split(b'\r\n\r\n')[0].lower().split(b'\r\n')
    assert lines[0].startswith(b'http/1.1 403') and b'connection: close' in lines, answer


def test_who_is_unknown(s3d, mine, key):
    refused(mine.request('GET', PATH, sign=False), 'AccessDenied')
    refused(Raw(s3d, ('AKIDUNKNOWN', 'x')).request('GET', PATH), 'InvalidAccessKeyId')
    refused(Raw(s3d, (key[0], 'x' * 64)).request('GET', PATH), 'SignatureDoesNotMatch')
    # The id of a wider scope with the secret of one's own.
    refused(Raw(s3d, (s3d.keys()[0], key[1])).request('GET', PATH), 'SignatureDoesNotMatch')
    for header in ('AWS AKID:sig', 'AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA256 ', 'Bearer x', 'AWS4-HMAC-SHA256 Credential=,,,',
                   'AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host, Signature=' + '0' * 64):
        status, _, body = mine.request('GET', PATH, sign=False, change={'authorization': header})
        assert status in (400, 403), header


def test_the_clock(s3d, key, mine):
    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes, want in ((14, 404), (-14, 404), (16, 403), (-16, 403)):
        at = Signer(s3d, key, now + datetime.timedelta(minutes=minutes))
        answer = mine.send('GET', PATH + '-none', b'', at.headers('GET', PATH + '-none'))
        assert answer[0] == want
        if want == 403:
            refused(answer, 'RequestTimeTooSkewed')


def test_a_key_of_presigned_urls_signs_nothing_else(s3d):
    refused(Raw(s3d, s3d.keys(UPLOAD, '', '', '', 0)).request('GET', PATH), 'AccessDenied')


# ---- presigned URLs ---------------------------------------------------------------------------------------------------------


def fetch(url, method='GET', body=None, headers=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


@pytest.mark.parametrize('name', ['p/d/x.txt', 'p/d/ABCDEFGH====/größe 100%+.tgz', 'p/a b/~c(1).pb'])
def test_presigned_put_and_get(s3d, name):
    body = os.urandom(100000)
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    url = s3d.presign('PUT', name, 60, 'Content-MD5', md5, 'x-amz-meta-flyteContentMD5', md5)
    assert url.startswith(s3d.endpoint + '/tern/')
    headers = {'Content-MD5': md5, 'x-amz-meta-flyteContentMD5': md5, 'Content-Type': 'application/octet-stream'}
    refused(fetch(url, 'PUT', body, {k: v for k, v in headers.items() if k != 'Content-MD5'}), 'SignatureDoesNotMatch')
    refused(fetch(url, 'PUT', b'other' + body, headers), 'BadDigest', 400)
    assert fetch(url, 'PUT', body, headers)[0] == 200
    refused(fetch(url, 'GET'), 'SignatureDoesNotMatch')
    status, sent, got = fetch(s3d.presign('GET', name))
    assert (status, got) == (200, body) and sent['x-amz-meta-flytecontentmd5'] == md5
    other = s3d.presign('GET', name).replace(urllib.parse.quote(name[-5:], safe=''), 'other')
    assert fetch(other)[0] == 403


def test_presigned_expired(s3d):
    url = s3d.presign('PUT', 'p/d/late', 1)
    time.sleep(2.1)
    assert 'expired' in refused(fetch(url, 'PUT', b'x'), 'AccessDenied')


def test_presigned_by_botocore(s3d):
    c = s3d.client(signature_version='s3v4')
    c.put_object(Bucket=BUCKET, Key='k ü', Body=b'1')
    url = c.generate_presigned_url('get_object', Params={'Bucket': BUCKET, 'Key': 'k ü', 'ResponseContentType': 'x/y',
                                                         'ResponseContentDisposition': 'attachment; filename="a.b"'})
    status, headers, body = fetch(url)
    assert (status, body, headers['content-type']) == (200, b'1', 'x/y')
    assert headers['content-disposition'] == 'attachment; filename="a.b"'
    url = c.generate_presigned_url('put_object', Params={'Bucket': BUCKET, 'Key': 'k ü'})
    assert fetch(url, 'PUT', b'2')[0] == 200
    # The URL allows what its key may do, no more.
    reader = s3d.client(s3d.keys(READER, 'p'), signature_version='s3v4')
    refused(fetch(reader.generate_presigned_url('put_object', Params={'Bucket': BUCKET, 'Key': 'p/x'}), 'PUT', b''),
            'AccessDenied')


# ---- aws-chunked ----------------------------------------------------------------------------------------------------------------


def chunked_headers(size, **more):
    return {'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': str(size), **more}


@pytest.mark.parametrize('sizes', [[5], [8192, 8192, 1], [65536, 65536, 65536, 10], []])
def test_signed_chunks(mine, signer, sizes):
    data = [os.urandom(n) for n in sizes]
    body = b''.join(data)

    def send(change=None, leave_out=None):
        sent = signer.headers('PUT', PATH, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', chunked_headers(len(body)))
        chunks = [signer.chunk(d) for d in data] + [signer.chunk(b'') + b'\r\n']
        if change is not None:
            chunks[change] = chunks[change].replace(b'signature=', b'signature=0', 1)[:-1]
        if leave_out is not None:
            del chunks[leave_out]
        return mine.send('PUT', PATH, b''.join(chunks), sent)
    assert send()[0] == 200
    status, headers, got = mine.request('GET', PATH)
    assert got == body and 'content-encoding' not in headers
    for i in range(len(sizes)):
        assert send(change=i)[0] in (400, 403)
        assert send(leave_out=i)[0] in (400, 403)
    refused(send(leave_out=len(sizes)), 'IncompleteBody', 400)
    assert mine.request('GET', PATH)[2] == body


@pytest.mark.parametrize('size', [11, 100000])
def test_signed_trailer(mine, signer, size):
    body = os.urandom(size)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, 'big')).decode()

    def send(lines, spoil=False):
        sent = signer.headers('PUT', PATH, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
                              chunked_headers(size, **{'x-amz-trailer': 'x-amz-checksum-crc32'}))
        chunks = signer.chunk(body) + signer.chunk(b'')
        trailer = signer.trailer(lines)
        return mine.send('PUT', PATH, chunks + (trailer.replace(b'crc32:', b'crc32:A', 1) if spoil else trailer), sent)
    status, headers, _ = send([f'x-amz-checksum-crc32:{crc}'])
    assert status == 200 and headers['x-amz-checksum-crc32'] == crc
    refused(send([f'x-amz-checksum-crc32:{crc}'], spoil=True), 'SignatureDoesNotMatch')
    refused(send(['x-amz-checksum-crc32:AAAAAA==']), 'BadDigest', 400)
    refused(send([]), 'InvalidRequest', 400)
    assert mine.request('GET', PATH)[2] == body


def crc64nvme(data):
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, 'big')


@pytest.mark.parametrize('name, digest', [
    ('x-amz-checksum-crc32', lambda b: zlib.crc32(b).to_bytes(4, 'big')), ('x-amz-checksum-crc64nvme', crc64nvme),
    ('x-amz-checksum-sha1', lambda b: hashlib.sha1(b).digest()),
    ('x-amz-checksum-sha256', lambda b: hashlib.sha256(b).digest())])
def test_unsigned_trailer(mine, signer, name, digest):
    body = os.urandom(20000)
    for value, want in ((digest(body), 200), (digest(body + b'x'), 400)):
        sent = signer.headers('PUT', PATH, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
                              chunked_headers(len(body), **{'x-amz-trailer': name}))
        raw = b'2710\r\n' + body[:10000] + b'\r\n2710\r\n' + body[10000:] + b'\r\n0\r\n'
        raw += f'{name}:{base64.b64encode(value).decode()}\r\n\r\n'.encode()
        assert mine.send('PUT', PATH, raw, sent)[0] == want
    assert mine.request('GET', PATH)[2] == body


def test_decoded_length_is_checked(mine, signer):
    for said, want in (('4', 400), ('6', 400), ('x', 400), ('5', 200), (str(6 << 30), 400)):
        sent = signer.headers('PUT', PATH, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
                              {'x-amz-decoded-content-length': said, 'x-amz-trailer': 'x-amz-checksum-crc32'})
        crc = base64.b64encode(zlib.crc32(b'hello').to_bytes(4, 'big')).decode()
        raw = f'5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n'.encode()
        assert mine.send('PUT', PATH, raw, sent)[0] == want, said


def test_boto3_over_what_it_calls_secure(s3d, key, monkeypatch):
    """Over https boto3 sends unsigned chunks with a trailer; where it decides so it is shown an https URL."""
    import botocore.httpchecksum as h
    decide = h.resolve_request_checksum_algorithm

    def decide_as_if_secure(request, *args, **kwargs):
        url = request['url']
        request['url'] = url.replace('http:', 'https:')
        decide(request, *args, **kwargs)
        request['url'] = url
    monkeypatch.setattr(h, 'resolve_request_checksum_algorithm', decide_as_if_secure)
    c, seen = s3d.client(key), []
    c.meta.events.register('before-send.s3.PutObject', lambda request, **_: seen.append(request.headers))
    for size in (10, 100000, 3 << 20):
        body = os.urandom(size)
        put = c.put_object(Bucket=BUCKET, Key='p/d/r1/trailer', Body=body)
        sent = c.get_object(Bucket=BUCKET, Key='p/d/r1/trailer')
        assert sent['Body'].read() == body and sent['ChecksumCRC32'] == put['ChecksumCRC32']
    assert all(s['x-amz-content-sha256'] == b'STREAMING-UNSIGNED-PAYLOAD-TRAILER' for s in seen) and len(seen) == 3


# ---- sizes ------------------------------------------------------------------------------------------------------------------------


def test_too_large_is_refused_before_it_is_sent(s3d, signer):
    with socket.create_connection(('127.0.0.1', s3d.port), timeout=10) as s:
        head = ''.join(f'{n}: {v}\r\n' for n, v in signer.headers('PUT', PATH, 'UNSIGNED-PAYLOAD').items())
        s.sendall(f'PUT {PATH} HTTP/1.1\r\n{head}content-length: {(5 << 30) + 1}\r\nexpect: 100-continue\r\n\r\n'.encode())
        answer = s.recv(10000)
        assert b' 400 ' in answer.split(b'\r\n')[0] and b'EntityTooLarge' in answer


def test_expect_continue(s3d, signer):
    with socket.create_connection(('127.0.0.1', s3d.port), timeout=10) as s:
        head = ''.join(f'{n}: {v}\r\n' for n, v in signer.headers('PUT', PATH, 'UNSIGNED-PAYLOAD').items())
        s.sendall(f'PUT {PATH} HTTP/1.1\r\n{head}content-length: 3\r\nexpect: 100-continue\r\n\r\n'.encode())
        assert s.recv(10000).startswith(b'HTTP/1.1 100 ')
        s.sendall(b'abc')
        assert s.recv(10000).startswith(b'HTTP/1.1 200 ')


def test_too_much_xml(mine, key):
    body = b'<Delete>' + b' ' * (5 << 20)
    try:
        refused(mine.request('POST', '/tern', body, query='delete='), 'EntityTooLarge', 400)
    except OSError:
        pass  # closed before it was all sent
