"""HTTP/1.1 over real sockets: independent clients, hostile bytes, slow peers, limits."""
import email.utils
import http.client
import os
import subprocess
import sys
import time

import hostile
import pytest
from hostile import read_all
from waiting import wait_until

GET = b'GET /hello HTTP/1.1\r\nHost: h\r\n\r\n'


def read_response(s, out=b''):
    """One response with a content-length."""
    while b'\r\n\r\n' not in out:
        more = s.recv(65536)
        assert more, out
        out += more
    head, body = out.split(b'\r\n\r\n', 1)
    length = int(next(l for l in head.lower().split(b'\r\n') if l.startswith(b'content-length:')).split(b':')[1])
    while len(body) < length:
        more = s.recv(65536)
        assert more
        body += more
    return int(head.split()[1]), body[:length], body[length:]


# ---- an independent client -----------------------------------------------------------------------------------------

@pytest.mark.parametrize('host', ['127.0.0.1', '::1'])
def test_http_client_keeps_one_connection(echo, host):
    c = http.client.HTTPConnection(host, echo.port, timeout=30)
    c.connect()
    sock = c.sock
    for n in (0, 1, 100, 65536, 3_000_000):
        body = os.urandom(n)
        for path in ('/unary', '/echo'):
            c.request('POST', path, body=body)
            r = c.getresponse()
            assert r.status == 200 and r.read() == body
            c.request('POST', path, body=iter([body[:n // 2], body[n // 2:]]), encode_chunked=True,
                      headers={'Transfer-Encoding': 'chunked'})
            r = c.getresponse()
            assert r.status == 200 and r.read() == body
    c.request('HEAD', '/big?1000')
    r = c.getresponse()
    assert r.getheader('content-length') == '1000' and r.read() == b''
    c.request('GET', '/late')
    assert c.getresponse().read() == b'late\n'
    assert c.sock is sock


def test_the_date_is_right(echo):
    c = http.client.HTTPConnection('localhost', echo.port, timeout=30)
    c.request('GET', '/hello')
    text = c.getresponse().getheader('date')
    said = email.utils.parsedate_to_datetime(text)
    assert text == email.utils.formatdate(said.timestamp(), usegmt=True)
    assert abs(said.timestamp() - time.time()) < 60


def test_files(start_echo, tmp_path):
    data = os.urandom(5_000_001)
    (tmp_path / 'data').write_bytes(data)
    echo = start_echo('localhost:0', 1, tmp_path / 'data')
    c = http.client.HTTPConnection('localhost', echo.port, timeout=30)
    for n in (5_000_000, 4_999_999, 2, 1, 0):
        c.request('GET', f'/file?{n}')
        assert c.getresponse().read() == data[:n]


def test_big_downloads_need_little_memory(echo):
    with echo.connect() as s:
        s.sendall(b'GET /big?500000000 HTTP/1.1\r\nHost: h\r\n\r\n')
        got = 0
        while got < 500_000_000:
            got += len(s.recv(1 << 20))
        assert echo.report()['heap'] < 1_000_000


def test_head_and_pieces_arrive_at_once(echo):
    """Full duplex: what is echoed comes before the request ends."""
    with echo.connect() as s:
        s.sendall(b'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
        got = b''
        while b'\r\n\r\n' not in got:
            got += s.recv(1000)
        for i in range(20):
            s.sendall(b'3\r\nab%c\r\n' % (97 + i))
            while b'3\r\nab%c\r\n' % (97 + i) not in got:
                more = s.recv(1000)
                assert more
                got += more
        s.sendall(b'0\r\n\r\n' + GET)
        while b'hello\n' not in got:
            got += s.recv(1000)


# ---- hostile bytes -------------------------------------------------------------------------------------------------

POST = b'POST /unary HTTP/1.1\r\nHost: h\r\n'


@pytest.mark.parametrize('request_', hostile.ambiguous_heads(b'h', b'/hello', b'/unary') +
                         hostile.broken_chunks(b'h', b'/hello', b'/unary'))
def test_ambiguous_requests_are_refused_and_end_the_connection(echo, request_):
    with echo.connect() as s:
        s.sendall(request_)
        answer = read_all(s)
    hostile.assert_refused_and_ended(answer)
    assert b'hello' not in answer


def test_limits_of_the_head(echo):
    for head, status in hostile.oversized(host=b'h'):
        with echo.connect() as s:
            s.sendall(head)
            assert read_all(s).split()[1] == status
    assert echo.report()['opened'] == 0
    with echo.connect() as s:
        s.sendall(b'GET /hello?' + b'a' * 30000 + b' HTTP/1.1\r\nHost: h\r\nA: ' + b'a' * 30000 + b'\r\n\r\n')
        assert read_response(s)[0] == 200


def test_trailers_have_limits(echo):
    for trailers in (b'a: ' + b'b' * 20000 + b'\r\n', b'a: b\r\n' * 101):
        with echo.connect() as s:
            s.sendall(POST + b'Transfer-Encoding: chunked\r\n\r\n0\r\n' + trailers + b'\r\n')
            assert read_all(s).split()[1] in (b'431', b'400')


def test_garbage_does_no_harm(echo):
    for data in (b'\x00' * 100, b'\x16\x03\x01\x02\x00', b'\n' * 100, b'\r\n' * 100, b'SSH-2.0-x\r\n', os.urandom(5000)):
        with echo.connect() as s:
            s.sendall(data)
            s.sendall(b'\r\n\r\n\r\n\r\n')
            answer = read_all(s)
            assert answer == b'' or answer.split()[1] in (b'400', b'414', b'431', b'505')


def test_pipelined_requests_are_answered_in_order(echo):
    with echo.connect() as s:
        s.sendall(b''.join(b'POST /unary HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%04d' % i +
                           b'GET /late HTTP/1.1\r\nHost: h\r\n\r\n' for i in range(500)))
        rest = b''
        for i in range(500):
            status, body, rest = read_response(s, rest)
            assert (status, body) == (200, b'%04d' % i)
            status, body, rest = read_response(s, rest)
            assert (status, body) == (200, b'late\n')


def test_an_answer_before_the_body_is_seen(echo):
    """The client goes on sending a long body; it still reads the answer, not a reset."""
    with echo.connect() as s:
        s.sendall(b'POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n')
        for _ in range(9):
            s.sendall(b'x' * 100000)
        answer = read_all(s)
        assert answer.startswith(b'HTTP/1.1 413 ') and answer.endswith(b'too large\n')


# ---- slow peers ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('sent, status', [
    (b'', None), (b'G', b'408'), (b'GET / HTTP/1.1\r\nHost: h\r\n', b'408'),
    (POST + b'Content-Length: 10\r\n\r\nabc', b'408'),
    (POST + b'Transfer-Encoding: chunked\r\n\r\n5\r\nabc', b'408'),
    (GET, b'200'),
    (b'PRI * HTTP/2.0\r\n', b'408'),
    (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', None),
])
def test_who_sends_no_more_is_closed(start_echo, sent, status):
    echo = start_echo(ECHO_TIMEOUT_MS=100)
    with echo.connect() as s:
        s.sendall(sent)
        answer = read_all(s)
        if status:
            assert answer.split()[1] == status
        else:
            assert b'HTTP' not in answer


def test_trickling_a_head_does_not_extend_its_time(start_echo):
    echo = start_echo(ECHO_TIMEOUT_MS=200)
    with echo.connect() as s:
        s.settimeout(0.02)
        for _ in range(1000):
            try:
                s.sendall(b'G')
                if s.recv(1000):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            raise AssertionError('never closed')


def test_slow_readers_are_closed_and_cost_little(start_echo):
    echo = start_echo(ECHO_TIMEOUT_MS=500)
    socks = []
    for _ in range(50):
        s = echo.connect()
        s.sendall(b'GET /big?100000000 HTTP/1.1\r\nHost: h\r\n\r\n')
        socks.append(s)
    wait_until(lambda: echo.report()['opened'] == 50)
    assert echo.report()['heap'] < 50 * 600_000  # the mark is 256 KiB
    wait_until(lambda: echo.report()['closed'] == 50)
    assert echo.report()['completed'] == 0
    for s in socks:
        s.close()


def test_a_parked_stream_has_no_time_out(start_echo):
    echo = start_echo(ECHO_TIMEOUT_MS=100)
    with echo.connect() as s:
        s.sendall(b'GET /park HTTP/1.1\r\nHost: h\r\n\r\n')
        with echo.connect() as other:
            assert read_all(other) == b''  # several time-outs of others later
        with echo.connect() as other:
            assert read_all(other) == b''
        s.settimeout(0.3)
        got = b''
        with pytest.raises(TimeoutError):
            while True:
                more = s.recv(1000)
                assert more
                got += more
        assert got.endswith(b'5\r\nfirst\r\n')


# ---- peers that go -------------------------------------------------------------------------------------------------

def test_a_parked_stream_ends_with_its_client(echo):
    with echo.connect() as s:
        s.sendall(b'GET /park HTTP/1.1\r\nHost: h\r\n\r\n')
        s.recv(1000)
        assert echo.report()['closed'] == 0
    wait_until(lambda: echo.report()['closed'] == 1)
    assert echo.report()['completed'] == 0


def test_a_client_that_goes_in_the_middle_of_its_body(echo):
    with echo.connect() as s:
        s.sendall(POST + b'Content-Length: 100\r\n\r\nabc')
        wait_until(lambda: echo.report()['opened'] == 1)
    wait_until(lambda: echo.report()['closed'] == 1)
    assert echo.report()['completed'] == 0


def test_connections_have_a_limit(start_echo):
    echo = start_echo(ECHO_CONNECTIONS=10)
    held = [echo.connect() for _ in range(10)]
    for s in held:
        s.sendall(GET)
        assert read_response(s)[0] == 200
    with echo.connect() as s:
        assert read_all(s) == b''
    held.pop().close()
    def accepted():
        with echo.connect() as s:
            try:
                s.sendall(GET)
                return s.recv(1000).startswith(b'HTTP/1.1 200')
            except OSError:
                return False
    wait_until(accepted)


def test_running_out_of_descriptors_is_survived(start_echo):
    echo = start_echo('127.0.0.1:0', ECHO_FILES=30)
    socks = [echo.connect() for _ in range(60)]  # the kernel completes them all; the server can take some
    socks[0].sendall(GET)
    assert read_response(socks[0])[0] == 200
    for s in socks[:50]:
        s.close()
    for s in socks[50:]:
        s.sendall(GET)
        assert read_response(s)[0] == 200


def test_many_parked_streams_cost_little(start_echo):
    count = 2000
    echo = start_echo('127.0.0.1:0', 2)
    socks = [echo.connect() for _ in range(100)]
    for s in socks:
        s.sendall(b'GET /park HTTP/1.1\r\nHost: h\r\n\r\n')
    wait_until(lambda: echo.report()['opened'] == 100)
    before = echo.report()['heap']
    for _ in range(count):
        s = echo.connect()
        s.sendall(b'POST /park HTTP/1.1\r\nHost: localhost:30080\r\nContent-Type: application/connect+proto\r\n'
                  b'Connect-Protocol-Version: 1\r\nConnect-Accept-Encoding: gzip,identity\r\n'
                  b'User-Agent: connectrpc/0.10.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n')
        socks.append(s)
    wait_until(lambda: echo.report()['opened'] == 100 + count)
    if 'asan' not in str(echo.process.args[0]) and 'tsan' not in str(echo.process.args[0]):
        # the test service's own record of a stream is part of it
        assert (echo.report()['heap'] - before) / count < 1024
    for s in socks:
        s.close()
    wait_until(lambda: echo.report()['closed'] == 100 + count)


# ---- stopping ------------------------------------------------------------------------------------------------------

def test_stopping_ends_streams_and_idle_connections(echo):
    idle, parked = echo.connect(), echo.connect()
    idle.sendall(GET)
    read_response(idle)
    parked.sendall(b'GET /park HTTP/1.1\r\nHost: h\r\n\r\n')
    parked.recv(1000)
    echo.end_input()
    assert read_all(idle) == b''
    read_all(parked)
    with pytest.raises(OSError):
        echo.connect()


# ---- who asks ------------------------------------------------------------------------------------------------------

def test_the_peer_is_known(echo):
    for host in ('127.0.0.1', '::1'):
        with echo.connect(host) as s:
            s.sendall(b'GET /peer HTTP/1.1\r\nHost: h\r\n\r\n')
            address, port, uid, loopback = read_response(s)[1].split()
            assert (address.decode(), int(port)) == s.getsockname()[:2]
            assert int(uid) == os.getuid() and loopback == b'1'


@pytest.mark.skipif(os.getuid() != 0, reason='needs root to become another account')
def test_another_account_is_told_apart(echo):
    code = ("import os,socket,sys; os.setuid(65534)\n"
            "s=socket.socket(); s.connect(('127.0.0.1',int(sys.argv[1])));"
            "s.sendall(b'GET /peer HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n');"
            "print(b''.join(iter(lambda: s.recv(1000), b'')).split()[-2].decode())")
    out = subprocess.run([sys.executable, '-S', '-c', code, str(echo.port)], capture_output=True, text=True)
    assert out.stdout.strip() == '65534', out.stderr
