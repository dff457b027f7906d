"""Kills, two processes at once, clients that vanish."""
import concurrent.futures
import hashlib
import os
import random
import socket
import threading
import time

import pytest
from waiting import wait_until

from conftest import BUCKET, S3D, Raw, Signer

MIB = 1 << 20


def body_of(i):
    size = (100, 3000, 20000, 70000, 2 * MIB)[i % 5]
    return random.Random(i).randbytes(size)


@pytest.mark.parametrize('seed', range(3))
def test_kill_while_putting(own_s3d, seed):
    """What was answered is there, whole; what was not is there whole or not at all; nothing is left over."""
    acknowledged, started, rand = {}, set(), random.Random(seed)
    keys = own_s3d.keys()
    stop = threading.Event()

    def client(n):
        raw = Raw(own_s3d, keys)
        for i in range(n, 100000, 8):
            if stop.is_set():
                return
            started.add(i)
            try:
                status, headers, _ = raw.key('PUT', f'k/{i}', body_of(i))
            except OSError:
                return
            except Exception:  # http.client's own: the answer was cut
                return
            assert status == 200
            acknowledged[i] = headers['etag'].strip('"')
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, n) for n in range(8)]
        while len(acknowledged) < 60 + rand.randrange(60):
            time.sleep(0.002)
        own_s3d.kill()
        stop.set()
        for c in clients:
            c.result()
    own_s3d.start()
    raw = Raw(own_s3d, keys)
    for i in sorted(started):
        status, headers, got = raw.key('GET', f'k/{i}')
        if i in acknowledged:
            assert status == 200
        if status == 200:
            assert hashlib.md5(got).hexdigest() == headers['etag'].strip('"') == hashlib.md5(body_of(i)).hexdigest()
        else:
            assert status == 404
    own_s3d.run('sweep')
    with_file = sum(len(body_of(i)) > 65536 and raw.key('HEAD', f'k/{i}')[0] == 200 for i in started)
    assert len(own_s3d.files()) == with_file


def test_kill_between_parts(own_s3d):
    keys = own_s3d.keys()
    c = own_s3d.client(keys)
    name = dict(Bucket=BUCKET, Key='parts')
    upload = c.create_multipart_upload(**name)['UploadId']
    tags = []
    for n in range(1, 4):
        tags.append(c.upload_part(**name, UploadId=upload, PartNumber=n, Body=b'%d' % n * (5 * MIB))['ETag'])
        own_s3d.kill()
        own_s3d.start()
        c = own_s3d.client(keys)
    parts = {'Parts': [{'PartNumber': n + 1, 'ETag': t} for n, t in enumerate(tags)]}
    done = c.complete_multipart_upload(**name, UploadId=upload, MultipartUpload=parts)
    own_s3d.kill()
    own_s3d.start()
    c = own_s3d.client(keys)
    assert c.complete_multipart_upload(**name, UploadId=upload, MultipartUpload=parts)['ETag'] == done['ETag']
    assert c.get_object(**name)['Body'].read() == b''.join(b'%d' % n * (5 * MIB) for n in range(1, 4))


def test_two_servers_on_one_folder(s3d):
    """The supervisor and the server: both write, both see what the other wrote as soon as it was answered."""
    from conftest import S3d
    other = S3d.__new__(S3d)
    other.__dict__.update(s3d.__dict__)
    other.process = None
    ready = os.path.join(s3d.dir, 'ready')
    os.rename(ready, ready + '1')
    other.start()
    keys = s3d.keys()
    try:
        def client(servers):
            put, get = (Raw(s, keys) for s in servers)
            for i in range(150):
                body = body_of(i % 4) if i % 25 else b'x' * 100000
                assert put.key('PUT', f'two/{servers[0].port}/{i}', body)[0] == 200
                status, _, got = get.key('GET', f'two/{servers[0].port}/{i}')
                assert status == 200 and got == body
            return True
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert all(pool.map(client, [(s3d, other), (other, s3d)]))
    finally:
        other.stop()
    assert s3d.run('get', f'two/{other.port}/3') == body_of(3)
    s3d.run('put', 'from/outside', input=body_of(4))
    assert Raw(s3d, keys).key('GET', 'from/outside')[2] == body_of(4)


def test_clients_that_vanish(s3d):
    """In the middle of sending, and of receiving: nothing stays of the one, others are served."""
    keys = s3d.keys()
    raw = Raw(s3d, keys)
    raw.key('PUT', 'vanish/big', b'z' * (20 * MIB))
    before = len(s3d.files())
    for i in range(20):
        signer = Signer(s3d, keys)
        s = socket.create_connection(('127.0.0.1', s3d.port))
        if i % 2:
            head = signer.headers('GET', '/tern/vanish/big')
            s.sendall(('GET /tern/vanish/big HTTP/1.1\r\n' + ''.join(f'{n}: {v}\r\n' for n, v in head.items()) + '\r\n').encode())
            assert s.recv(1000)
        else:
            head = signer.headers('PUT', '/tern/vanish/half', 'UNSIGNED-PAYLOAD')
            s.sendall(('PUT /tern/vanish/half HTTP/1.1\r\ncontent-length: 10000000\r\n' +
                       ''.join(f'{n}: {v}\r\n' for n, v in head.items()) + '\r\n').encode())
            s.sendall(b'y' * (300000 * (i + 1)))
        s.close()
    wait_until(lambda: len(s3d.files()) == before, 'the end of what was half sent')
    assert raw.key('HEAD', 'vanish/half')[0] == 404
    assert raw.key('GET', 'vanish/big')[2] == b'z' * (20 * MIB)


def test_a_slow_reader_holds_up_nobody(s3d):
    keys = s3d.keys()
    raw = Raw(s3d, keys)
    raw.key('PUT', 'slow/big', b'z' * (30 * MIB))
    slow = []
    for _ in range(30):
        head = Signer(s3d, keys).headers('GET', '/tern/slow/big')
        s = socket.create_connection(('127.0.0.1', s3d.port))
        s.sendall(('GET /tern/slow/big HTTP/1.1\r\n' + ''.join(f'{n}: {v}\r\n' for n, v in head.items()) + '\r\n').encode())
        slow.append(s)
    for i in range(50):
        assert raw.key('PUT', f'slow/{i}', b'x')[0] == 200
    rss = int([l for l in open(f'/proc/{s3d.process.pid}/status') if l.startswith('VmRSS')][0].split()[1])
    assert rss < 100 * 1024 or 'san' in S3D.parts[-3]  # sanitizers keep what was freed
    for s in slow:
        s.close()


def test_replaced_while_it_is_read(s3d):
    keys = s3d.keys()
    old, new = b'old' * (3 * MIB), b'new' * (3 * MIB)
    Raw(s3d, keys).key('PUT', 'swap', old)
    seen = set()

    def read():
        raw = Raw(s3d, keys)
        for _ in range(15):
            status, headers, got = raw.key('GET', 'swap')
            assert status == 200 and got in (old, new)
            seen.add(got[:3])

    def write():
        raw = Raw(s3d, keys)
        for i in range(10):
            assert raw.key('PUT', 'swap', (new, old)[i % 2])[0] == 200
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for f in [pool.submit(f) for f in (read, read, write)]:
            f.result()
    assert seen
