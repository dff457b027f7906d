"""obstore, the client that the SDK uses, and the SDK's own storage layer as a notebook uses it."""
import asyncio
import os
import random
import subprocess
import sys

import obstore
import pytest
from obstore.store import S3Store

from conftest import BUCKET, READER

MIB = 1 << 20


def store(s3d, keys=None, prefix=None, bucket=BUCKET):
    key_id, secret = keys or s3d.keys()
    return S3Store(bucket, prefix=prefix, endpoint=s3d.endpoint, access_key_id=key_id, secret_access_key=secret,
                   region='us-east-1', client_options={'allow_http': True}, retry_config={'max_retries': 0})


@pytest.fixture
def st(s3d):
    return store(s3d)


@pytest.mark.parametrize('size', [0, 1, 5000, 100000, 7 * MIB])
def test_put_and_get(st, size):
    body = random.Random(size).randbytes(size)
    st.put(f'o/{size}', body)
    assert st.head(f'o/{size}')['size'] == size
    assert bytes(st.get(f'o/{size}').bytes()) == body
    if size:
        assert bytes(st.get_range(f'o/{size}', start=0, end=size)) == body
        a, b = st.get_ranges(f'o/{size}', starts=[0, size // 2], ends=[1, size])
        assert (bytes(a), bytes(b)) == (body[:1], body[size // 2:])


def test_twelve_parts_in_parallel(st):
    body = random.Random(3).randbytes(12 * 5 * MIB - 777)
    st.put('o/parts', body, use_multipart=True, chunk_size=5 * MIB, max_concurrency=12)
    assert bytes(st.get('o/parts').bytes()) == body
    assert st.head('o/parts')['e_tag'].endswith('-12"')


def test_streaming_both_ways(st):
    chunks = [os.urandom(MIB) for _ in range(11)]
    with obstore.open_writer(st, 'o/stream', buffer_size=10 * MIB) as w:
        for chunk in chunks:
            w.write(chunk)
    assert b''.join(bytes(c) for c in st.get('o/stream').stream(min_chunk_size=MIB)) == b''.join(chunks)


def test_async_in_parallel(st):
    async def run():
        await asyncio.gather(*(st.put_async(f'o/async/{i:04}', b'%d' % i) for i in range(300)))
        got = await asyncio.gather(*(st.get_async(f'o/async/{i:04}') for i in range(300)))
        return [bytes(await g.bytes_async()) for g in got]
    assert asyncio.run(run()) == [b'%d' % i for i in range(300)]
    assert [o['path'] for page in st.list('o/async', chunk_size=50) for o in page] == [f'o/async/{i:04}' for i in range(300)]


def test_list_with_delimiter(st):
    for key in ('l/a', 'l/b/1', 'l/b/2', 'l/c/d/e'):
        st.put(key, b'')
    page = st.list_with_delimiter('l')
    assert page['common_prefixes'] == ['l/b', 'l/c'] and [o['path'] for o in page['objects']] == ['l/a']


def test_errors_are_the_right_ones(s3d, st):
    with pytest.raises(FileNotFoundError):
        st.head('o/missing')
    with pytest.raises(FileNotFoundError):
        st.get('o/missing')
    st.put('o/once', b'1', mode='create')
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        st.put('o/once', b'2', mode='create')
    with pytest.raises(obstore.exceptions.BaseError, match='object.upstreams'):
        store(s3d, bucket='somebody-elses').get('k')
    with pytest.raises(obstore.exceptions.BaseError, match='SignatureDoesNotMatch'):
        store(s3d, keys=(s3d.keys()[0], 'wrong')).get('o/once')
    tag = st.head('o/once')['e_tag']
    st.put('o/once', b'3', mode={'e_tag': tag})
    with pytest.raises(obstore.exceptions.PreconditionError):
        st.put('o/once', b'4', mode={'e_tag': tag})
    assert bytes(st.get('o/once').bytes()) == b'3'


def test_copy_rename_delete(st):
    st.put('o/from', b'x' * 70000)
    st.copy('o/from', 'o/to')
    st.rename('o/from', 'o/moved')
    assert bytes(st.get('o/to').bytes()) == bytes(st.get('o/moved').bytes()) == b'x' * 70000
    st.delete(['o/to', 'o/moved', 'o/not there'])
    assert not [o for page in st.list('o/to') for o in page] and not [o for page in st.list('o/moved') for o in page]


def test_the_scope_of_an_attempt(s3d):
    mine = store(s3d, s3d.keys(project='p', domain='d', run='r1'))
    mine.put('p/d/r1/a0/outputs.pb', b'out')
    mine.put('raw/r1/file', b'raw')
    for key in ('p/d/r2/x', 'p/d/r1', 'q/d/r1/x', 'raw/r2/x', 'p/d/r1x/y'):
        with pytest.raises(obstore.exceptions.PermissionDeniedError):
            mine.put(key, b'')
        with pytest.raises(obstore.exceptions.BaseError, match='AccessDenied'):
            mine.delete(key)
    other = store(s3d, s3d.keys(project='p', domain='d', run='r2'))
    assert bytes(other.get('p/d/r1/a0/outputs.pb').bytes()) == b'out'  # a cache hit of the same project
    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        other.put('p/d/r1/a0/outputs.pb', b'forged')
    stranger = store(s3d, s3d.keys(project='q', domain='d', run='r1'))
    for call in (lambda: stranger.get('p/d/r1/a0/outputs.pb'), lambda: stranger.head('p/d/r1/a0/outputs.pb'),
                 lambda: list(stranger.list('p/')), lambda: list(stranger.list()),
                 lambda: stranger.copy('p/d/r1/a0/outputs.pb', 'q/d/r1/stolen')):
        with pytest.raises(obstore.exceptions.BaseError, match='403 Forbidden'):
            call()


NOTEBOOK = '''
import asyncio, flyte, flyte.storage as storage
from flyte.io import File, Dir
flyte.init()
async def main():
    async with File(path="s3://tern/p/d/r1/a0/big.bin").open("rb") as f:
        data = await f.read()
    assert bytes(data) == b"0123456789" * 200000, len(data)
    names = sorted([f.path.rsplit("/", 1)[1] async for f in Dir(path="s3://tern/p/d/r1/a0/dir").walk(recursive=True)])
    assert names == ["one.txt", "two.txt"], names
    assert await storage.exists("s3://tern/p/d/r1/a0/dir/one.txt")
    assert not await storage.exists("s3://tern/p/d/r1/a0/dir/none.txt")
    try:
        await storage.put_stream(b"x", to_path="s3://tern/p/d/r1/a0/forged")
    except Exception as e:
        print("refused", type(e).__name__)
    else:
        raise SystemExit("a reader's key could write")
asyncio.run(main())
'''


def test_a_notebook_opens_outputs(s3d):
    """Another process with nothing but the variables that `tern env` prints."""
    task = store(s3d, s3d.keys(project='p', domain='d', run='r1'))
    task.put('p/d/r1/a0/big.bin', b'0123456789' * 200000)
    task.put('p/d/r1/a0/dir/one.txt', b'1')
    task.put('p/d/r1/a0/dir/sub/two.txt', b'2')
    key_id, secret = s3d.keys(READER, project='p')
    env = {'PATH': '/usr/bin:/bin', 'HOME': s3d.dir, 'FLYTE_AWS_ENDPOINT': s3d.endpoint,
           'FLYTE_AWS_ACCESS_KEY_ID': key_id, 'FLYTE_AWS_SECRET_ACCESS_KEY': secret}
    p = subprocess.run([sys.executable, '-c', NOTEBOOK], env=env, cwd=s3d.dir, text=True, capture_output=True, timeout=120)
    assert p.returncode == 0 and 'refused' in p.stdout, (p.stdout, p.stderr)
