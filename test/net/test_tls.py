"""TLS over real sockets, with Python's OpenSSL and curl as clients."""
import http.client
import os
import shutil
import ssl
import subprocess

import pytest

from frames import ACK, SETTINGS, Client, frame

pytestmark = pytest.mark.skipif(not shutil.which('openssl'), reason='openssl makes the certificates')


def openssl(*args, cwd):
    subprocess.run(['openssl', *args], cwd=cwd, check=True, capture_output=True)


def make_certificate(folder, name, ca=None, common_name='localhost'):
    """name.key and name.pem; signed by itself or by the certificate ca."""
    signer = ['-CA', f'{ca}.pem', '-CAkey', f'{ca}.key'] if ca else []
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', f'{name}.key',
            '-out', f'{name}.csr', '-subj', f'/CN={common_name}', cwd=folder)
    (folder / 'ext').write_text('subjectAltName=DNS:localhost,IP:127.0.0.1\n' +
                                ('' if ca else 'basicConstraints=critical,CA:TRUE\n'))
    how = ['-extfile', 'ext'] if ca else ['-signkey', f'{name}.key', '-extfile', 'ext']
    openssl('x509', '-req', '-in', f'{name}.csr', *signer, *(['-CAcreateserial'] if ca else []), *how, '-days', '2',
            '-out', f'{name}.pem', cwd=folder)


@pytest.fixture(scope='module')
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp('certificates')
    for name in ('server', 'ca', 'other'):
        make_certificate(folder, name)
    make_certificate(folder, 'client', 'ca', 'somebody')
    make_certificate(folder, 'stranger', 'other', 'nobody')
    return folder


@pytest.fixture
def echo(start_echo, certificates, tmp_path):
    (tmp_path / 'data').write_bytes(os.urandom(3_000_000))
    return start_echo('localhost:0', 2, tmp_path / 'data', certificates / 'server.pem', certificates / 'server.key')


def context(certificates, *protocols, client=None):
    c = ssl.create_default_context(cafile=certificates / 'server.pem')
    c.set_alpn_protocols(protocols or ['http/1.1'])
    if client:
        c.load_cert_chain(certificates / f'{client}.pem', certificates / f'{client}.key')
    return c


def connect(echo, c):
    return c.wrap_socket(echo.connect(), server_hostname='localhost')


def test_http1(echo, certificates, tmp_path):
    c = http.client.HTTPSConnection('localhost', echo.port, context=context(certificates), timeout=60)
    data = (tmp_path / 'data').read_bytes()
    for path in ('/unary', '/echo', '/pause'):
        c.request('POST', path, body=data)
        assert c.getresponse().read() == data
    for n in (3_000_000, 2_999_999, 10):
        c.request('GET', f'/file?{n}')
        assert c.getresponse().read() == data[:n]
    c.request('POST', '/headers', body=b'x')
    assert b'POST https host=localhost:' in c.getresponse().read()


def test_http2(echo, certificates):
    with connect(echo, context(certificates, 'h2', 'http/1.1')) as s:
        assert s.selected_alpn_protocol() == 'h2'
        c = Client(s)
        c.send(c.request(1), c.request(3, '/headers'), frame(SETTINGS, ACK))
        bodies = {}
        while len(bodies) < 2:
            kind, _, stream, payload = c.recv()
            if kind == 0 and payload:
                bodies[stream] = payload
        assert bodies[1] == b'hello\n' and b'https' in bodies[3]


@pytest.mark.parametrize('protocols, chosen', [(['http/1.1'], 'http/1.1'), (['http/1.1', 'h2'], 'h2'),
                                               (['h2'], 'h2'), (['x', 'http/1.1'], 'http/1.1')])
def test_the_server_chooses(echo, certificates, protocols, chosen):
    with connect(echo, context(certificates, *protocols)) as s:
        assert s.selected_alpn_protocol() == chosen


def test_no_common_protocol(echo, certificates):
    with pytest.raises(ssl.SSLError):
        connect(echo, context(certificates, 'spdy/1'))


def test_who_chose_h2_must_speak_it(echo, certificates):
    with connect(echo, context(certificates, 'h2')) as s:
        s.sendall(b'GET /hello HTTP/1.1\r\nHost: h\r\n\r\n')
        try:
            assert s.recv(1000) == b''
        except (ssl.SSLError, ConnectionResetError):
            pass
    assert echo.report()['opened'] == 0


@pytest.mark.skipif(not shutil.which('curl'), reason='curl is not installed')
@pytest.mark.parametrize('version', ['--http1.1', '--http2'])
def test_curl(echo, certificates, tmp_path, version):
    out = subprocess.run(['curl', '-s', '-f', version, '--cacert', certificates / 'server.pem', '--data-binary',
                          f'@{tmp_path}/data', f'https://localhost:{echo.port}/echo'], capture_output=True, timeout=60)
    assert out.stdout == (tmp_path / 'data').read_bytes()


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_old_versions_are_refused(echo):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.set_ciphers('ALL:@SECLEVEL=0')
    c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(echo, c)
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    connect(echo, c).close()


def test_plain_text_is_no_tls(echo):
    with echo.connect() as s:
        s.sendall(b'GET /hello HTTP/1.1\r\nHost: h\r\n\r\n')
        try:
            assert b'200' not in s.recv(1000)
        except ConnectionResetError:
            pass
    assert echo.report()['opened'] == 0


def test_pipelined_and_buffered_requests(echo, certificates):
    """What OpenSSL has decrypted ahead is invisible to epoll."""
    with connect(echo, context(certificates)) as s:
        s.sendall(b'GET /late HTTP/1.1\r\nHost: h\r\n\r\n' * 400)
        got = b''
        while got.count(b'late\n') < 400:
            more = s.recv(65536)
            assert more
            got += more


def test_client_certificates(start_echo, certificates):
    echo = start_echo('localhost:0', 1, '/dev/null', certificates / 'server.pem', certificates / 'server.key',
                      certificates / 'ca.pem')

    def get(client):
        with connect(echo, context(certificates, client=client)) as s:
            s.sendall(b'GET /hello HTTP/1.1\r\nHost: h\r\n\r\n')
            return s.recv(1000)
    assert get('client').endswith(b'hello\n')
    for client in (None, 'stranger'):
        try:
            assert get(client) == b''
        except (ssl.SSLError, ConnectionResetError):
            pass
    assert echo.report()['opened'] == 1


def test_a_handshake_that_stops_is_closed(start_echo, certificates):
    echo = start_echo('localhost:0', 1, '/dev/null', certificates / 'server.pem', certificates / 'server.key',
                      ECHO_TIMEOUT_MS=200)
    for first in (b'', b'\x16\x03\x01'):
        with echo.connect() as s:
            s.sendall(first)
            assert s.recv(1000) == b''


def test_bad_files_are_named(certificates, tmp_path):
    from conftest import ECHO
    (tmp_path / 'empty.pem').write_text('')
    good, key = certificates / 'server.pem', certificates / 'server.key'
    for args, name in [((tmp_path / 'none.pem', key), 'none.pem'), ((good, tmp_path / 'none.key'), 'none.key'),
                       ((good, certificates / 'ca.key'), 'ca.key'), ((tmp_path / 'empty.pem', key), 'empty.pem'),
                       ((good, key, tmp_path / 'empty.pem'), 'empty.pem')]:
        out = subprocess.run([ECHO, 'localhost:0', '1', '/dev/null', *args], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=60)
        assert out.returncode == 1 and name in out.stderr
