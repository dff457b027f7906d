"""HTTP/2 over real sockets: independent clients where they are installed, frames made by hand for what they never send."""
import os
import shutil
import struct
import subprocess
import time

import hostile
import pytest
from hostile import PSEUDO, fields, flood
from waiting import wait_until

from frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
                    GOAWAY, HEADERS, NO_ERROR, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM,
                    SETTINGS, WINDOW_UPDATE, Client, block, field, frame, reset, settings, status, window)


@pytest.fixture
def client(echo):
    with echo.connect() as s:
        yield Client(s)


# ---- independent clients -------------------------------------------------------------------------------------------

def tool(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f'{name} is not installed')


@tool('curl')
def test_curl(echo, tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / 'data').write_bytes(data)
    for path in ('/unary', '/echo', '/pause'):
        out = subprocess.run(['curl', '-s', '-f', '--http2-prior-knowledge', '--data-binary', f'@{tmp_path}/data',
                              f'http://127.0.0.1:{echo.port}{path}'], capture_output=True, timeout=60)
        assert out.returncode == 0 and out.stdout == data


@tool('nghttp')
def test_nghttp(echo, tmp_path):
    data = os.urandom(1_000_000)
    (tmp_path / 'data').write_bytes(data)
    out = subprocess.run(['nghttp', '-d', tmp_path / 'data', f'http://127.0.0.1:{echo.port}/echo'],
                         capture_output=True, timeout=60)
    assert out.stdout == data
    out = subprocess.run(['nghttp', '-v', '--trailer', 'x-sum: 42', '-d', tmp_path / 'data',
                          f'http://127.0.0.1:{echo.port}/echo'], capture_output=True, timeout=60)
    assert b'x-sum: 42' in out.stdout.split(b'recv DATA')[-1]


@tool('h2load')
def test_h2load(echo, tmp_path):
    (tmp_path / 'data').write_bytes(os.urandom(1400))
    for path, extra in [('/unary', ['-d', tmp_path / 'data']), ('/big?100000', []), ('/file?0', [])]:
        out = subprocess.run(['h2load', '-n2000', '-c10', '-m50', *extra, f'http://127.0.0.1:{echo.port}{path}'],
                             capture_output=True, text=True, timeout=60)
        assert '2000 succeeded, 0 failed' in out.stdout


# ---- ordinary use --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('piece', [1, 2, 3, 7, 23, 24, 25])
def test_the_preface_may_come_in_pieces(echo, piece):
    with echo.connect() as s:
        data = PREFACE + settings() + Client.request(Client, 1)
        for i in range(0, 60, piece):
            s.sendall(data[i:min(i + piece, 60)])
            time.sleep(0.001)
        c = Client.__new__(Client)
        c.sock, c.buffer = s, b''
        s.sendall(data[i + piece if i + piece < 60 else 60:])
        assert status(c.until(HEADERS, 1)[3]) == 200
        assert c.body(1) == b'hello\n'


def test_frames_in_single_bytes(client):
    data = client.request(1, '/unary', 'POST', end=False) + frame(DATA, 0, 1, b'abc') + frame(DATA, END_STREAM, 1, b'd')
    for i in range(len(data)):
        client.send(data[i:i + 1])
    assert client.body(1) == b'abcd'


def test_trailers_both_ways(client):
    client.send(client.request(1, '/echo', 'POST', end=False), frame(DATA, 0, 1, b'abc'),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, field('x-sum', '42')))
    kinds = []
    for kind, flags, stream, payload in client.frames():
        if stream == 1:
            kinds.append((kind, bool(flags & END_STREAM)))
            if flags & END_STREAM:
                break
    assert kinds[0] == (HEADERS, False) and kinds[-1] == (HEADERS, True) and (DATA, False) in kinds


def test_many_streams_at_once(client):
    client.send(*[client.request(i, '/late') for i in range(1, 401, 2)])
    done = {}
    while len(done) < 200:
        kind, flags, stream, payload = client.recv()
        if kind == DATA:
            done[stream] = done.get(stream, b'') + payload
    assert set(done) == set(range(1, 401, 2)) and set(done.values()) == {b'late\n'}


def test_windows_are_respected_and_given_back(echo):
    with echo.connect() as s:
        c = Client(s, window=1000)
        c.send(c.request(1, '/big?5000'), frame(PING, 0, 0, b'12345678'))
        got = 0
        for kind, flags, stream, payload in c.frames():
            got += len(payload) if kind == DATA else 0
            if kind == PING and flags & ACK:
                break
        c.send(frame(PING, 0, 0, b'abcdefgh'))
        for kind, flags, stream, payload in c.frames():
            got += len(payload) if kind == DATA else 0
            if kind == PING and flags & ACK:
                break
        assert got == 1000
        c.send(window(1, 4000))
        assert len(c.body(1)) == 4000
        # Upload more than both windows: they are given back.
        c.send(c.request(3, '/unary', 'POST', end=False))
        sent, budget = 0, {0: 1 << 20, 3: 1 << 18}
        while sent < 3_000_000:
            if min(budget.values()) < 16384:
                kind, _, stream, payload = c.recv()
                if kind == WINDOW_UPDATE:
                    budget[stream] += struct.unpack('>I', payload)[0]
                continue
            c.send(frame(DATA, 0, 3, b'x' * 16384))
            sent += 16384
            budget = {k: v - 16384 for k, v in budget.items()}


def test_a_paused_service_holds_the_peer_back(client, echo):
    """/pause reads 20 ms late; more than the stream's window is an error, and memory stays within it."""
    client.send(client.request(1, '/pause', 'POST', end=False))
    client.until(SETTINGS)
    sent = 0
    while sent < 2_000_000 and client.try_send(frame(DATA, 0, 1, b'x' * 16384)):
        sent += 16384
    ends = (struct.unpack('>I', p[-4:])[0] for kind, _, _, p in client.frames() if kind in (RST_STREAM, GOAWAY))
    assert next(ends) == FLOW_CONTROL_ERROR
    wait_until(lambda: echo.report()['closed'] == 1)
    assert echo.report()['heap'] < 1_000_000


def test_a_closed_window_stops_only_its_stream(client):
    client.send(client.request(1, '/big?300000'))  # more than the connection's 64 KiB
    client.send(settings(window=0), client.request(3, '/big?10'))
    client.send(frame(PING, 0, 0, b'12345678'))
    got = 0
    for kind, flags, stream, payload in client.frames():
        assert kind != DATA or stream == 1
        got += len(payload) if kind == DATA else 0
        if kind == PING:
            break
    assert got <= 65535
    client.send(window(3, 100), window(0, 100000))
    assert len(client.body(3)) == 10


def test_cancelling_ends_the_exchange(client, echo):
    client.send(client.request(1, '/park'), client.request(3, '/echo', 'POST', end=False))
    client.until(DATA, 1)
    client.send(reset(1), reset(3))
    wait_until(lambda: echo.report()['closed'] == 2)
    client.send(client.request(5))
    assert client.body(5) == b'hello\n'
    assert echo.report()['completed'] == 1


def test_an_answer_before_the_body(client, echo):
    client.send(client.request(1, '/early', 'POST', end=False))
    kinds = []
    for kind, flags, stream, payload in client.frames():
        if stream == 1:
            kinds.append(kind)
            if kind == RST_STREAM:
                assert struct.unpack('>I', payload)[0] == NO_ERROR
                break
    assert kinds == [HEADERS, DATA, RST_STREAM]
    client.send(frame(DATA, END_STREAM, 1, b'x' * 1000), client.request(3))
    assert client.body(3) == b'hello\n'
    assert echo.report()['completed'] == 2


def test_resets_by_the_service(client):
    client.send(client.request(1, '/reset'), client.request(3, '/short'), client.request(5))
    codes = {}
    while len(codes) < 2:
        kind, _, stream, payload = client.recv()
        if kind == RST_STREAM:
            codes[stream] = struct.unpack('>I', payload)[0]
    assert set(codes) == {1, 3} and NO_ERROR not in codes.values()


def test_100_continue(client):
    client.send(client.request(1, '/unary', 'POST', [('expect', '100-continue')], end=False))
    first = client.until(HEADERS, 1)
    assert first[3] == b'\x48\x82\x08\x01' and not first[1] & END_STREAM
    client.send(frame(DATA, END_STREAM, 1, b'abc'))
    assert status(client.until(HEADERS, 1)[3]) == 200
    assert client.body(1) == b'abc'


def test_goaway_when_the_server_stops(client, echo):
    client.send(client.request(1))
    client.body(1)
    echo.end_input()
    assert client.goaway() == NO_ERROR


# ---- malformed requests --------------------------------------------------------------------------------------------

@pytest.mark.parametrize('head', hostile.MALFORMED_HEADS)
def test_malformed_heads_reset_the_stream(client, echo, head):
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head))
    kind, _, _, payload = next(f for f in client.frames() if f[2] == 1)
    assert kind == RST_STREAM and struct.unpack('>I', payload)[0] == PROTOCOL_ERROR
    client.send(client.request(3))
    assert client.body(3) == b'hello\n'
    assert echo.report()['opened'] == 1


@pytest.mark.parametrize('head, answer', [
    (fields(*PSEUDO, ('host', 'other')), 400), (fields(*PSEUDO[:3], (':path', '/a#b')), 400),
    (fields(*PSEUDO, ('expect', 'tea')), 'other'), (fields(*PSEUDO, *[('a', 'b')] * 120), 'other'),
    (fields((':method', 'CONNECT'), (':authority', 'h:1')), 'other'), (fields((':method', 'TRACE'), *PSEUDO[1:]), 'other'),
])
def test_refused_requests_get_a_status(client, echo, head, answer):
    client.send(frame(HEADERS, END_HEADERS, 1, head))
    kind, flags, _, payload = next(f for f in client.frames() if f[2] == 1)
    assert kind == HEADERS and flags & END_STREAM and status(payload) == answer
    client.send(client.request(3))
    assert client.body(3) == b'hello\n'
    assert echo.report()['opened'] == 1


def test_bodies_must_have_their_promised_length(client, echo):
    for stream, data in [(1, b'abc'), (3, b'abcdef')]:
        client.send(client.request(stream, '/unary', 'POST', [('content-length', '5')], end=False),
                    frame(DATA, END_STREAM, stream, data))
        assert struct.unpack('>I', client.until(RST_STREAM, stream)[3])[0] == PROTOCOL_ERROR
    assert echo.report()['completed'] == 0


def test_a_host_field_stands_for_the_authority(client):
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(PSEUDO[0], PSEUDO[1], (':path', '/headers'), ('host', 'me:1'))))
    assert b' host=me:1 ' in client.body(1)


@pytest.mark.parametrize('data', hostile.BROKEN_FRAMES)
def test_broken_frames_end_the_connection(client, echo, data):
    client.send(data)
    code = client.goaway()
    assert code != NO_ERROR
    with echo.connect() as s:
        other = Client(s)
        other.send(other.request(1))
        assert other.body(1) == b'hello\n'


# ---- floods --------------------------------------------------------------------------------------------------------

def test_rapid_reset(client, echo):
    assert flood(client, hostile.opened_and_reset(client, '/late'), 20_000) in (ENHANCE_YOUR_CALM, None)
    assert echo.report()['opened'] < 2000
    wait_until(lambda: echo.report()['opened'] == echo.report()['closed'])


def test_rapid_reset_ends_with_enhance_your_calm(client):
    client.send(*map(hostile.opened_and_reset(client, '/late'), range(500)))
    assert client.goaway() == ENHANCE_YOUR_CALM


def test_resets_by_the_server_count_too(client):
    """Requests that are made so that the server resets them."""
    client.send(*map(hostile.opened_and_overflown(client, '/late'), range(500)))
    assert client.goaway() == ENHANCE_YOUR_CALM


def test_cancelling_all_open_streams_is_no_attack(client, echo):
    streams = range(1, 511, 2)
    client.send(*[client.request(i, '/unary', 'POST', end=False) for i in streams])
    wait_until(lambda: echo.report()['opened'] == 255)
    client.send(*[reset(i) for i in streams])
    wait_until(lambda: echo.report()['closed'] == 255)
    client.send(client.request(601))
    assert client.body(601) == b'hello\n'


@pytest.mark.parametrize('name, make', hostile.FLOODS)
def test_floods_of_frames(client, name, make):
    client.send(client.request(1, '/unary', 'POST', end=False))
    assert flood(client, make, 50_000) in (ENHANCE_YOUR_CALM, None)


@pytest.mark.parametrize('make', [frame(PING, 0, 0, b'12345678'), settings(), frame(PRIORITY, 0, 3, b'\0\0\0\0\x10')])
def test_floods_end_with_enhance_your_calm(client, make):
    client.send(make * 600)
    assert client.goaway() == ENHANCE_YOUR_CALM


def test_pings_between_answers_are_no_flood(client):
    """Clients measure their windows with a ping for each answer."""
    for i in range(1500):
        client.send(client.request(2 * i + 1), frame(PING, 0, 0, b'12345678'))
        assert client.body(2 * i + 1) == b'hello\n'


def test_continuation_flood(client, echo):
    client.send(frame(HEADERS, 0, 1, block()))
    flood(client, hostile.continuation_flood, 20_000)
    assert echo.report()['opened'] == 0


def test_header_bomb(client, echo):
    """A table entry of 4 KB, named 100,000 times by one byte each."""
    client.send(hostile.HEADER_BOMB)
    assert client.goaway() == ENHANCE_YOUR_CALM
    assert echo.report()['opened'] == 0 and echo.report()['heap'] < 1_000_000


def test_a_header_list_over_the_limit_is_refused(client, echo):
    client.send(frame(HEADERS, 0, 1, block() + b''.join(field(f'a{i}', 'x' * 1000) for i in range(15))),
                *[frame(CONTINUATION, 0, 1, b''.join(field(f'b{i}', 'x' * 1000) for i in range(15)))] * 4,
                frame(CONTINUATION, END_HEADERS | END_STREAM, 1, b''))
    kind, flags, _, payload = next(f for f in client.frames() if f[2] == 1)
    assert kind == HEADERS and flags & END_STREAM and status(payload) == 'other'
    client.send(client.request(3))
    assert client.body(3) == b'hello\n'
    assert echo.report()['opened'] == 1


def test_too_many_streams_are_refused(client, echo):
    client.send(*[client.request(2 * i + 1, '/park') for i in range(300)])
    refused = 0
    while refused < 300 - 256:
        kind, _, stream, payload = client.recv()
        if kind == RST_STREAM:
            assert struct.unpack('>I', payload)[0] == REFUSED_STREAM
            refused += 1
    assert echo.report()['opened'] == 256


def test_a_peer_that_never_reads(start_echo):
    """Its answers stay in bounds, and it is closed."""
    echo = start_echo(ECHO_TIMEOUT_MS=500)
    with echo.connect() as s:
        c = Client(s, window=(1 << 31) - 1)
        c.send(window(0, (1 << 30)))
        c.send(*[c.request(2 * i + 1, '/big?100000000') for i in range(100)])
        wait_until(lambda: echo.report()['opened'] == 100)
        assert echo.report()['heap'] < 5_000_000
        wait_until(lambda: echo.report()['closed'] == 100)


def test_streams_stall_one_by_one(start_echo):
    """A stream whose window stays closed, and one whose body stays away, end; a parked one and their connection live."""
    echo = start_echo(ECHO_TIMEOUT_MS=300)
    with echo.connect() as s:
        c = Client(s, window=10)
        c.send(c.request(1, '/big?1000'), c.request(3, '/unary', 'POST', end=False), c.request(5, '/park'))
        codes = {}
        while len(codes) < 2:
            kind, _, stream, payload = c.recv()
            if kind == RST_STREAM:
                codes[stream] = struct.unpack('>I', payload)[0]
        assert set(codes) == {1, 3}
        c.send(c.request(7))
        assert status(c.until(HEADERS, 7)[3]) == 200


def anonymous_memory(pid):
    text = open(f'/proc/{pid}/smaps_rollup').read()
    return 1024 * int(next(l for l in text.splitlines() if l.startswith('Pss_Anon')).split()[1])


def test_idle_connections_are_small(start_echo):
    echo = start_echo('127.0.0.1:0', 1)
    if 'asan' in str(echo.process.args[0]) or 'tsan' in str(echo.process.args[0]):
        pytest.skip('a sanitizer has its own idea of memory')

    def open_one():
        s = echo.connect()
        c = Client(s)
        c.send(c.request(1), frame(SETTINGS, ACK))
        assert c.body(1) == b'hello\n'
        return s
    first = [open_one() for _ in range(100)]
    before = anonymous_memory(echo.process.pid)
    more = [open_one() for _ in range(1000)]
    assert (anonymous_memory(echo.process.pid) - before) / len(more) < 16384
    for s in first + more:
        s.close()
