"""boto3 against the endpoint: what a user of S3 expects of each operation."""
import base64
import hashlib
import io
import os
import random

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from conftest import BUCKET, put_many

MIB = 1 << 20
KEYS = ['a', 'a/b', 'a/b/', 'a//b', 'k' * 1024, '%2e%2e', '..', '../../etc/passwd', './a', 'plus+plus', 'a b  c', 'a%20b',
        'grüße/日本語/🙂', 'a&b<c>"d\'', '?query#hash', '=eq;semi:colon@at,comma$dollar', '~tilde', '(*)!', 'tab\there',
        'back\\slash', '{brace}|^`', '\u00e9', 'e\u0301']


def error(code, status=None):
    class Check:
        def __enter__(self):
            self.raises = pytest.raises(ClientError)
            self.info = self.raises.__enter__()

        def __exit__(self, *args):
            assert self.raises.__exit__(*args)
            got = self.info.value.response
            assert got['Error']['Code'] == code, got
            assert status is None or got['ResponseMetadata']['HTTPStatusCode'] == status
            return True
    return Check()


@pytest.mark.parametrize('key', KEYS)
def test_any_key(s3, key):
    body = key.encode() * 3
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert s3.get_object(Bucket=BUCKET, Key=key)['Body'].read() == body
    assert s3.head_object(Bucket=BUCKET, Key=key)['ContentLength'] == len(body)
    assert key in [o['Key'] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix=key[:5])['Contents']]


def test_keys_that_are_no_keys(s3, raw):
    with error('KeyTooLongError', 400):
        s3.put_object(Bucket=BUCKET, Key='k' * 1025, Body=b'')
    status, _, body = raw.request('PUT', '/tern/bad%zzescape', sign=False)
    assert status in (400, 403)
    # Bytes that are no UTF-8 are a key like any other.
    assert raw.request('PUT', '/tern/bytes/%FF%00%FE', b'x')[0] == 200
    assert raw.request('GET', '/tern/bytes/%FF%00%FE')[2] == b'x'
    assert raw.request('GET', '/tern/bytes/%FF')[0] == 404


@pytest.mark.parametrize('size', [0, 1, 1024, 16384, 16385, 65536, 65537, 3 * MIB])
def test_sizes(s3, size):
    body = random.Random(size).randbytes(size)
    put = s3.put_object(Bucket=BUCKET, Key=f'size/{size}', Body=body)
    assert put['ETag'] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=BUCKET, Key=f'size/{size}')
    assert got['Body'].read() == body and got['ETag'] == put['ETag'] and got['ContentLength'] == size
    assert got['ChecksumCRC32'] == put['ChecksumCRC32']  # and botocore has compared it with the bytes


def test_metadata_and_headers(s3):
    args = dict(ContentType='text/html; charset=utf-8', CacheControl='no-store', ContentDisposition='inline',
                ContentLanguage='de', ContentEncoding='gzip', Metadata={'one': 'a: b', 'flyteContentMD5': 'x=='})
    s3.put_object(Bucket=BUCKET, Key='meta', Body=b'x', **args)
    for got in (s3.head_object(Bucket=BUCKET, Key='meta'), s3.get_object(Bucket=BUCKET, Key='meta')):
        args['Metadata'] = {'one': 'a: b', 'flytecontentmd5': 'x=='}
        assert {k: got[k] for k in args} == args
        headers = got['ResponseMetadata']['HTTPHeaders']
        assert headers['content-security-policy'] == 'sandbox allow-scripts'
        assert headers['x-content-type-options'] == 'nosniff'
        assert headers['cross-origin-resource-policy'] == 'same-origin'
    s3.put_object(Bucket=BUCKET, Key='meta', Body=b'y')
    got = s3.head_object(Bucket=BUCKET, Key='meta')
    assert got['Metadata'] == {} and got['ContentType'] == 'binary/octet-stream' and 'CacheControl' not in got
    with error('MetadataTooLarge', 400):
        s3.put_object(Bucket=BUCKET, Key='meta', Body=b'', Metadata={'big': 'x' * 2100})


def test_missing(s3):
    with error('NoSuchKey', 404):
        s3.get_object(Bucket=BUCKET, Key='missing')
    with error('404', 404):
        s3.head_object(Bucket=BUCKET, Key='missing')
    s3.delete_object(Bucket=BUCKET, Key='missing')


@pytest.mark.parametrize('size', [100, 200000])
def test_ranges(s3, raw, size):
    body = random.Random(size).randbytes(size)
    s3.put_object(Bucket=BUCKET, Key='range', Body=body)

    def get(spec):
        return raw.key('GET', 'range', headers={'range': spec})
    for spec, expected in [('bytes=0-9', body[:10]), ('bytes=90-', body[90:]), ('bytes=-7', body[-7:]),
                           (f'bytes={size - 1}-{size + 50}', body[-1:]), ('bytes=0-0', body[:1]),
                           (f'bytes=-{size + 5}', body)]:
        status, headers, got = get(spec)
        assert (status, got) == (206, expected), spec
        first = len(body) - len(expected) if spec.startswith('bytes=-') else int(spec[6:].split('-')[0])
        assert headers['content-range'] == f'bytes {first}-{first + len(expected) - 1}/{size}'
    for spec in ('bytes=5-2', 'bytes=', 'bytes=-', 'items=0-1', 'bytes=a-b', 'bytes=0-1,3-4'):
        assert get(spec)[0::2] == (200, body), spec
    for spec in (f'bytes={size}-', f'bytes={size + 100}-{size + 200}'):
        status, headers, _ = get(spec)
        assert status == 416 and headers['content-range'] == f'bytes */{size}'
    with error('InvalidRange', 416):
        s3.get_object(Bucket=BUCKET, Key='range', Range=f'bytes={size}-')


def test_conditions(s3):
    tag = s3.put_object(Bucket=BUCKET, Key='cond', Body=b'1')['ETag']
    modified = s3.head_object(Bucket=BUCKET, Key='cond')['LastModified']
    assert s3.get_object(Bucket=BUCKET, Key='cond', IfMatch=tag)['Body'].read() == b'1'
    with error('PreconditionFailed', 412):
        s3.get_object(Bucket=BUCKET, Key='cond', IfMatch='"other"')
    with error('304', 304):
        s3.get_object(Bucket=BUCKET, Key='cond', IfNoneMatch=tag)
    with error('304', 304):
        s3.head_object(Bucket=BUCKET, Key='cond', IfModifiedSince=modified)
    with error('PreconditionFailed', 412):
        s3.get_object(Bucket=BUCKET, Key='cond', IfUnmodifiedSince='2001-01-01')
    with error('PreconditionFailed', 412):
        s3.put_object(Bucket=BUCKET, Key='cond', Body=b'2', IfNoneMatch='*')
    s3.put_object(Bucket=BUCKET, Key='cond', Body=b'2', IfMatch=tag)
    with error('PreconditionFailed', 412):
        s3.put_object(Bucket=BUCKET, Key='cond', Body=b'3', IfMatch=tag)
    assert s3.get_object(Bucket=BUCKET, Key='cond')['Body'].read() == b'2'


@pytest.mark.parametrize('size', [10, 100000])
def test_wrong_digests(s3, size):
    body = b'x' * size
    wrong = base64.b64encode(b'0' * 16).decode()
    with error('BadDigest', 400):
        s3.put_object(Bucket=BUCKET, Key=f'digest{size}', Body=body, ContentMD5=wrong)
    with error('InvalidDigest', 400):
        s3.put_object(Bucket=BUCKET, Key=f'digest{size}', Body=body, ContentMD5='nonsense')
    with error('BadDigest', 400):
        s3.put_object(Bucket=BUCKET, Key=f'digest{size}', Body=body, ChecksumCRC32='AAAAAA==')
    with error('404', 404):
        s3.head_object(Bucket=BUCKET, Key=f'digest{size}')
    good = base64.b64encode(hashlib.md5(body).digest()).decode()
    s3.put_object(Bucket=BUCKET, Key=f'digest{size}', Body=body, ContentMD5=good)


@pytest.mark.parametrize('algorithm', ['CRC32', 'SHA1', 'SHA256'])
def test_checksums(s3, algorithm):
    put = s3.put_object(Bucket=BUCKET, Key='sum', Body=b'123456789', ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=BUCKET, Key='sum', ChecksumMode='ENABLED')
    assert put['Checksum' + algorithm] == got['Checksum' + algorithm] and got['Body'].read() == b'123456789'


# ---- listing ------------------------------------------------------------------------------------------------------------


def test_ten_thousand_random_keys_in_byte_order(s3d, s3):
    rand = random.Random(7)
    alphabet = 'abcXYZ019-_.~+ =/éü日🙂%&<\x01'
    keys = {'many/' + ''.join(rand.choices(alphabet, k=rand.randint(1, 12))) for _ in range(11000)}
    keys = sorted(keys, key=str.encode)[:10000]
    put_many(s3d, rand.sample(keys, len(keys)))
    for operation in ('list_objects_v2', 'list_objects'):
        pages = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix='many/')
        assert [o['Key'] for page in pages for o in page['Contents']] == keys
    # The same grouped, against what grouping by hand gives.
    groups = sorted({k[:k.index('/', 5) + 1] for k in keys if '/' in k[5:]}, key=str.encode)
    plain = [k for k in keys if '/' not in k[5:]]
    for operation, size in (('list_objects_v2', 1000), ('list_objects_v2', 99), ('list_objects', 100)):
        pages = list(s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix='many/', Delimiter='/',
                                                          PaginationConfig={'PageSize': size}))
        assert [p['Prefix'] for page in pages for p in page.get('CommonPrefixes', [])] == groups
        assert [o['Key'] for page in pages for o in page.get('Contents', [])] == plain
    start = keys[5000]
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix='many/', StartAfter=start, MaxKeys=3)
    assert [o['Key'] for o in after['Contents']] == keys[5001:5004] and after['KeyCount'] == 3


def test_listing_without_url_encoding(s3, raw):
    s3.put_object(Bucket=BUCKET, Key='xml/<&>"\'é', Body=b'')
    s3.put_object(Bucket=BUCKET, Key='xml/control\x01', Body=b'')
    status, _, body = raw.request('GET', '/tern', query='list-type=2&prefix=xml%2F')
    text = body.decode()
    assert status == 200 and '<Key>xml/&lt;&amp;&gt;&quot;' in text and '\x01' not in text
    assert '<Key>xml/control\ufffd</Key>' in text


def test_list_arguments(s3, raw):
    assert s3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)['KeyCount'] == 0
    assert 'Contents' not in s3.list_objects_v2(Bucket=BUCKET, Prefix='nothing/like/this')
    with error('InvalidArgument', 400):
        s3.list_objects_v2(Bucket=BUCKET, ContinuationToken='nonsense')
    for query in ('list-type=2&max-keys=-1', 'list-type=2&max-keys=x', 'list-type=2&encoding-type=base64'):
        assert raw.request('GET', '/tern', query=query)[0] == 400
    assert raw.request('GET', '/tern', query='&'.join(f'a{i}=1' for i in range(100)))[0] == 400


# ---- multipart -------------------------------------------------------------------------------------------------------------


def test_twelve_parts_in_parallel(s3):
    body = random.Random(1).randbytes(12 * 5 * MIB - 12345)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, 'parts/12', ExtraArgs={'ContentType': 'x/y', 'Metadata': {'m': 'v'}},
                      Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=12))
    head = s3.head_object(Bucket=BUCKET, Key='parts/12')
    sums = b''.join(hashlib.md5(body[i:i + 5 * MIB]).digest() for i in range(0, len(body), 5 * MIB))
    assert head['ETag'] == f'"{hashlib.md5(sums).hexdigest()}-12"'
    assert head['ContentType'] == 'x/y' and head['Metadata'] == {'m': 'v'} and head['ContentLength'] == len(body)
    assert s3.get_object(Bucket=BUCKET, Key='parts/12')['Body'].read() == body
    for first, last in [(0, 10), (5 * MIB - 3, 5 * MIB + 2), (5 * MIB, 15 * MIB - 1), (len(body) - 5, len(body) - 1)]:
        got = s3.get_object(Bucket=BUCKET, Key='parts/12', Range=f'bytes={first}-{last}')
        assert got['Body'].read() == body[first:last + 1]
    out = io.BytesIO()
    s3.download_fileobj(BUCKET, 'parts/12', out, Config=TransferConfig(multipart_threshold=MIB, max_concurrency=6))
    assert out.getvalue() == body


def test_more_parts_than_files_are_held_open(s3):
    body = random.Random(2).randbytes(20 * 5 * MIB + 1)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, 'parts/21',
                      Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
    assert s3.get_object(Bucket=BUCKET, Key='parts/21')['Body'].read() == body
    s3.delete_object(Bucket=BUCKET, Key='parts/21')


def test_multipart_step_by_step(s3d, s3):
    name = dict(Bucket=BUCKET, Key='steps')
    upload = s3.create_multipart_upload(**name)['UploadId']
    parts = [s3.upload_part(**name, UploadId=upload, PartNumber=n, Body=b'%d' % n * (5 * MIB if n < 9 else 7))
             for n in (9, 2, 5)]
    with error('404', 404):
        s3.head_object(**name)
    listed = s3.list_parts(**name, UploadId=upload)
    assert [p['PartNumber'] for p in listed['Parts']] == [2, 5, 9] and listed['Parts'][2]['Size'] == 7
    assert [p['PartNumber'] for p in s3.list_parts(**name, UploadId=upload, PartNumberMarker=2, MaxParts=1)['Parts']] == [5]
    assert upload in [u['UploadId'] for u in s3.list_multipart_uploads(Bucket=BUCKET, Prefix='st')['Uploads']]

    def complete(*numbers, **change):
        tags = {9: parts[0]['ETag'], 2: parts[1]['ETag'], 5: parts[2]['ETag'], **change.pop('tags', {})}
        return s3.complete_multipart_upload(**name, UploadId=upload, **change, MultipartUpload={
            'Parts': [{'PartNumber': n, 'ETag': tags.get(n, '"x"')} for n in numbers]})
    with error('InvalidPartOrder', 400):
        complete(5, 2, 9)
    with error('InvalidPart', 400):
        complete(2, 3)
    with error('InvalidPart', 400):
        complete(2, 5, tags={5: parts[0]['ETag']})
    with error('EntityTooSmall', 400):
        s3.upload_part(**name, UploadId=upload, PartNumber=1, Body=b'small')
        complete(1, 2, tags={1: f'"{hashlib.md5(b"small").hexdigest()}"'})
    with error('MalformedXML', 400):
        complete()
    done = complete(2, 9)
    assert s3.get_object(**name)['Body'].read() == b'2' * 5 * MIB + b'9' * 7
    # A client that did not hear the answer asks again.
    assert complete(2, 9)['ETag'] == done['ETag']
    with error('NoSuchUpload', 404):
        complete(2, 5)
    with error('NoSuchUpload', 404):
        s3.upload_part(**name, UploadId=upload, PartNumber=1, Body=b'x')
    with error('NoSuchUpload', 404):
        s3.abort_multipart_upload(**name, UploadId=upload)


def test_abort_removes_the_parts(s3d, s3):
    name = dict(Bucket=BUCKET, Key='aborted')
    before = len(s3d.files())
    upload = s3.create_multipart_upload(**name)['UploadId']
    for n in (1, 2, 2):
        s3.upload_part(**name, UploadId=upload, PartNumber=n, Body=b'x' * 1000)
    s3.abort_multipart_upload(**name, UploadId=upload)
    s3d.run('sweep')
    assert len(s3d.files()) == before
    for number in (0, 10001):
        with error('InvalidArgument', 400):
            s3.upload_part(**name, UploadId=upload, PartNumber=number, Body=b'')
    with error('NoSuchUpload', 404):
        s3.upload_part(**name, UploadId='../../x', PartNumber=1, Body=b'')


# ---- the rest --------------------------------------------------------------------------------------------------------------


def test_copy(s3d, s3):
    big = os.urandom(200000)
    for body in (b'small', big):
        s3.put_object(Bucket=BUCKET, Key='from ü', Body=body, ContentType='a/b', Metadata={'k': '1'})
        s3.copy_object(Bucket=BUCKET, Key='to', CopySource={'Bucket': BUCKET, 'Key': 'from ü'})
        s3.copy_object(Bucket=BUCKET, Key='to2', CopySource={'Bucket': BUCKET, 'Key': 'to'}, Metadata={'k': '2'},
                       ContentType='c/d', MetadataDirective='REPLACE')
        s3.delete_object(Bucket=BUCKET, Key='from ü')
        s3d.run('sweep')
        got, got2 = (s3.get_object(Bucket=BUCKET, Key=k) for k in ('to', 'to2'))
        assert got['Body'].read() == body and got['ContentType'] == 'a/b' and got['Metadata'] == {'k': '1'}
        assert got2['Body'].read() == body and got2['ContentType'] == 'c/d' and got2['Metadata'] == {'k': '2'}
        assert got['ETag'] == got2['ETag'] == f'"{hashlib.md5(body).hexdigest()}"'
    with error('NoSuchKey', 404):
        s3.copy_object(Bucket=BUCKET, Key='to', CopySource={'Bucket': BUCKET, 'Key': 'missing'})


def test_delete_many(s3):
    keys = [f'del/{i} & <ü>' for i in range(1000)]
    for key in keys[:5]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b'')
    done = s3.delete_objects(Bucket=BUCKET, Delete={'Objects': [{'Key': k} for k in keys]})
    assert [d['Key'] for d in done['Deleted']] == keys
    assert 'Contents' not in s3.list_objects_v2(Bucket=BUCKET, Prefix='del/')
    quiet = s3.delete_objects(Bucket=BUCKET, Delete={'Objects': [{'Key': 'x'}], 'Quiet': True})
    assert 'Deleted' not in quiet
    with error('MalformedXML', 400):
        s3.delete_objects(Bucket=BUCKET, Delete={'Objects': [{'Key': k} for k in keys + ['one more']]})


def test_bad_xml(raw):
    bad = [b'', b'<', b'<Delete>', b'<Delete></Other>', b'<Other/>', b'<Delete><Object><Key>a</Key></Delete>',
           b'<!DOCTYPE x [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>',
           b'<Delete><Object><Key>&nope;</Key></Object></Delete>', b'<Delete>' + b'<a>' * 100, b'\xff\xfe<\x00',
           b'<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>', b'<Delete></Delete><Delete></Delete>']
    for body in bad:
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        status, _, answer = raw.request('POST', '/tern', body, {'content-md5': md5}, query='delete=')
        assert status == 400 and b'MalformedXML' in answer, body
    good = b'<?xml version="1.0"?><!-- c --><Delete xmlns="x"><Object a="&gt;>"><Key>a&#x41;<![CDATA[<b>]]></Key></Object></Delete>'
    assert b'<Key>aA&lt;b&gt;</Key>' in raw.request('POST', '/tern', good, query='delete=')[2]


def test_buckets(s3):
    assert [b['Name'] for b in s3.list_buckets()['Buckets']] == [BUCKET]
    s3.head_bucket(Bucket=BUCKET)
    assert s3.get_bucket_location(Bucket=BUCKET)['LocationConstraint'] is None
    assert 'Status' not in s3.get_bucket_versioning(Bucket=BUCKET)
    with error('BucketAlreadyOwnedByYou', 409):
        s3.create_bucket(Bucket=BUCKET)
    for call in (lambda: s3.put_object(Bucket='theirs', Key='k', Body=b''), lambda: s3.list_objects_v2(Bucket='theirs'),
                 lambda: s3.create_bucket(Bucket='theirs')):
        with pytest.raises(ClientError) as e:
            call()
        assert e.value.response['Error']['Code'] == 'AccessDenied'
        assert 'object.upstreams' in e.value.response['Error']['Message']


def test_what_is_not_there_says_so(s3):
    for call in (lambda: s3.get_object_acl(Bucket=BUCKET, Key='a'), lambda: s3.get_object_tagging(Bucket=BUCKET, Key='a'),
                 lambda: s3.list_object_versions(Bucket=BUCKET),
                 lambda: s3.get_object(Bucket=BUCKET, Key='a', VersionId='1')):
        with error('NotImplemented', 501):
            call()
    with error('MethodNotAllowed', 405):
        s3.delete_bucket(Bucket=BUCKET)


def test_the_url_of_a_browser(s3d):
    """A presigned GET of a report: shown as what the link says, without the rights of the origin."""
    import urllib.request
    s3d.client().put_object(Bucket=BUCKET, Key='p/d/r/report.html', Body=b'<p>')
    with urllib.request.urlopen(s3d.presign('GET', 'p/d/r/report.html', 60, '', 'text/html; charset=utf-8')) as r:
        assert r.read() == b'<p>' and r.headers['content-type'] == 'text/html; charset=utf-8'
        assert r.headers['content-security-policy'] == 'sandbox allow-scripts'
