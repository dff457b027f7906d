"""Fixtures for the object store's tests: s3d (the store and its S3 endpoint alone) in a data folder of its own."""
import concurrent.futures
import contextlib
import datetime
import functools
import hashlib
import hmac
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = pathlib.Path(__file__).resolve().parents[2]
S3D = pathlib.Path(os.environ.get('TERN', ROOT / 'build' / 'tern')).parent / 'test' / 's3d'
ATTEMPT, READER, UPLOAD = 1, 2, 3
BUCKET = 'tern'


def pytest_sessionstart(session):
    """make test builds what is in build/unit only; these programs are built on first use."""
    subprocess.run(['make', '--no-print-directory', '-C', ROOT, f'BUILD={S3D.parents[1]}', S3D], check=True,
                   stdout=subprocess.DEVNULL)


class S3d:
    """One data folder; may be started and killed several times."""

    def __init__(self, upstreams=()):
        """upstreams: entries of the setting object.upstreams."""
        self.upstreams = list(upstreams)
        self.dir = tempfile.mkdtemp(prefix='tern-s3d-')
        self.process = None
        self.stderr = open(os.path.join(self.dir, 'stderr'), 'ab')

    def start(self):
        ready = os.path.join(self.dir, 'ready')
        if os.path.exists(ready):
            os.remove(ready)
        self.process = subprocess.Popen([S3D, 'serve', self.dir, '127.0.0.1:0', ready], stderr=self.stderr,
                                        env={**os.environ, 'S3D_UPSTREAMS': '\n'.join(self.upstreams)})
        for _ in range(1000):
            if os.path.exists(ready):
                break
            assert self.process.poll() is None, self.log()
            time.sleep(0.01)
        self.port = int(open(ready).read())
        self.endpoint = f'http://127.0.0.1:{self.port}'
        return self

    def log(self):
        return open(os.path.join(self.dir, 'stderr'), errors='replace').read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """An orderly end; anything that a sanitizer or a crash left behind fails the test."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        assert status == 0, (status, self.log())
        assert 'Sanitizer' not in self.log()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, command, *args, **kwargs):
        """Another process on the same folder."""
        return subprocess.run([S3D, command, self.dir, *map(str, args)], check=True, stdout=subprocess.PIPE,
                              **kwargs).stdout

    def keys(self, kind=ATTEMPT, project='*', domain='d', run='r1', attempt=1):
        return self.run('keys', kind, project, domain, run, attempt).decode().split()

    def presign(self, method, key, lifetime=60, *headers):
        return self.run('presign', self.endpoint, method, key, lifetime, *headers).decode().strip()

    def client(self, keys=None, endpoint=None, **config):
        key_id, secret = keys or self.keys()
        config.setdefault('s3', {'addressing_style': 'path'})
        config.setdefault('retries', {'max_attempts': 0})
        return boto3.client('s3', endpoint_url=endpoint or self.endpoint, aws_access_key_id=key_id,
                            aws_secret_access_key=secret, region_name='us-east-1', config=Config(**config))

    def files(self):
        return [p for p in pathlib.Path(self.dir, 'objects').rglob('*') if p.is_file() and p.name != 'sweep.lock']


class Raw:
    """Requests byte by byte as given, signed by botocore's signer, on one connection."""

    def __init__(self, s3d, keys=None):
        self.s3d = s3d
        self.credentials = Credentials(*(keys or s3d.keys()))
        self.connection = http.client.HTTPConnection('127.0.0.1', s3d.port, timeout=30)

    def signed(self, method, path, body=b'', headers=None, query=''):
        """path is sent as it is."""
        url = f'{self.s3d.endpoint}{path}' + (f'?{query}' if query else '')
        request = AWSRequest(method, url, data=body, headers=headers or {})
        S3SigV4Auth(self.credentials, 's3', 'us-east-1').add_auth(request)
        return dict(request.headers.items())

    def request(self, method, path, body=b'', headers=None, query='', sign=True, change=None):
        sent = self.signed(method, path, body, headers, query) if sign else dict(headers or {})
        sent.update(change or {})
        return self.send(method, path + (f'?{query}' if query else ''), body, sent)

    def send(self, method, target, body=b'', headers=None):
        self.connection.request(method, target, body, headers or {})
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def key(self, method, key, body=b'', headers=None, query=''):
        return self.request(method, '/tern/' + urllib.parse.quote(key, safe='/~'), body, headers, query)


EMPTY = hashlib.sha256(b'').hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@functools.lru_cache
def signing_key(secret, date, region='us-east-1'):
    return mac(mac(mac(mac(b'AWS4' + secret.encode(), date), region), 's3'), 'aws4_request')


class Signer:
    """Signature Version 4 written from its description, for what botocore does not do: many requests, and chunks."""

    def __init__(self, s3d, keys=None, at=None):
        self.key_id, secret = keys or s3d.keys()
        self.host = f'127.0.0.1:{s3d.port}'
        self.time = (at or datetime.datetime.now(datetime.timezone.utc)).strftime('%Y%m%dT%H%M%SZ')
        self.scope = f'{self.time[:8]}/us-east-1/s3/aws4_request'
        self.key = signing_key(secret, self.time[:8])

    def sign(self, text):
        return mac(self.key, text).hex()

    def headers(self, method, path, payload=EMPTY, extra=None, query=''):
        """Those of a request whose path and query are encoded already; the seed signature is kept."""
        sent = {'host': self.host, 'x-amz-content-sha256': payload, 'x-amz-date': self.time, **(extra or {})}
        names = sorted(sent)
        canonical = '\n'.join([method, path, query, *(f'{n}:{sent[n]}' for n in names), '', ';'.join(names), payload])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        self.last = self.sign(f'AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{digest}')
        sent['authorization'] = (f'AWS4-HMAC-SHA256 Credential={self.key_id}/{self.scope}, '
                                 f'SignedHeaders={";".join(names)}, Signature={self.last}')
        return sent

    def chunk(self, data):
        """The next chunk of a STREAMING-AWS4-HMAC-SHA256-PAYLOAD body."""
        digest = hashlib.sha256(data).hexdigest()
        self.last = self.sign(f'AWS4-HMAC-SHA256-PAYLOAD\n{self.time}\n{self.scope}\n{self.last}\n{EMPTY}\n{digest}')
        return b'%x;chunk-signature=%s\r\n' % (len(data), self.last.encode()) + data + (b'\r\n' if data else b'')

    def trailer(self, lines):
        """Trailers and their signature, after the last chunk."""
        text = ''.join(f'{line}\n' for line in lines)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.last = self.sign(f'AWS4-HMAC-SHA256-TRAILER\n{self.time}\n{self.scope}\n{self.last}\n{digest}')
        return ''.join(f'{line}\r\n' for line in [*lines, f'x-amz-trailer-signature:{self.last}', '']).encode()


def put_many(s3d, keys, body=b'', connections=8):
    """PUTs pipelined on some connections; each must answer 200."""
    credentials = s3d.keys()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        for _ in pool.map(lambda part: put_pipelined(s3d, part, body, credentials),
                          [keys[i::connections] for i in range(connections)]):
            pass


def put_pipelined(s3d, keys, body, credentials):
    signer = Signer(s3d, credentials)
    payload = hashlib.sha256(body).hexdigest()
    with socket.create_connection(('127.0.0.1', s3d.port), timeout=60) as s:
        answers = s.makefile('rb')
        for i in range(0, len(keys), 100):
            batch = keys[i:i + 100]
            for key in batch:
                path = '/tern/' + urllib.parse.quote(key, safe='/~')
                head = ''.join(f'{n}: {v}\r\n' for n, v in signer.headers('PUT', path, payload).items())
                s.sendall(f'PUT {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n'.encode() + body)
            for key in batch:
                status = answers.readline()
                assert status.startswith(b'HTTP/1.1 200'), (key, status)
                while answers.readline() != b'\r\n':
                    pass


def code_of(body):
    """The code of an error document."""
    return body.decode().split('<Code>')[1].split('</Code>')[0]


@contextlib.contextmanager
def running(*upstreams):
    """An S3d that ends in order."""
    s = S3d(upstreams)
    try:
        yield s.start()
        s.stop()
    finally:
        s.close()


@pytest.fixture(scope='module')
def s3d():
    with running() as s:
        yield s


@pytest.fixture
def own_s3d():
    """For tests that kill it."""
    s = S3d()
    try:
        yield s.start()
    finally:
        s.close()


@pytest.fixture
def s3(s3d):
    return s3d.client()


@pytest.fixture
def raw(s3d):
    return Raw(s3d)
