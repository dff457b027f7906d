"""What hostile clients send, for the test server of test/net and for Tern itself: requests that two parsers read differently,
heads over the limits, broken HTTP/2 frames, floods."""
import os

from frames import (ACK, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PING, PRIORITY, PUSH, RST_STREAM,
                    SETTINGS, WINDOW_UPDATE, block, field, frame, reset, settings, window)


def read_all(s):
    out = b''
    while True:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            return out
        if not more:
            return out
        out += more


# ---- HTTP/1.1 ------------------------------------------------------------------------------------------------------

def smuggled(host, get):
    """The request behind an ambiguous one: nobody may answer it."""
    return b'GET %s HTTP/1.1\r\nHost: %s\r\nX-Smuggled: 1\r\n\r\n' % (get, host)


def ambiguous_heads(host, get, post, fields=b''):
    """Each with a smuggled request behind it. fields: what the service wants of a POST."""
    behind, end = smuggled(host, get), b'\r\n\r\n0\r\n\r\n'
    start = b'POST %s HTTP/1.1\r\nHost: %s\r\n%s' % (post, host, fields)
    return [request + behind for request in [
        start + b'Content-Length: %d\r\nTransfer-Encoding: chunked' % (5 + len(behind)) + end,
        start + b'Transfer-Encoding: chunked\r\nContent-Length: 5' + end,
        start + b'Content-Length: 0\r\nContent-Length: %d\r\n\r\n' % len(behind),
        start + b'Content-Length: 0\r\ncontent-length: 0\r\n\r\n',
        start + b'Content-Length: 0, 0\r\n\r\n',
        start + b'Content-Length: 0x10\r\n\r\n',
        start + b'Content-Length: +0\r\n\r\n',
        start + b'Content-Length: 18446744073709551616\r\n\r\n',
        start + b'Content-Length : 0\r\n\r\n',
        start + b'Content-Length\t: 0\r\n\r\n',
        start + b'X: y\r\n Content-Length: 50\r\n\r\n',
        start + b'X: y\r\n\tTransfer-Encoding: chunked' + end,
        start + b'Transfer-Encoding: chunked\r\n : x' + end,
        start + b'Transfer-Encoding: xchunked' + end,
        start + b'Transfer-Encoding: chunked, identity' + end,
        start + b'Transfer-Encoding: gzip, chunked' + end,
        start + b'Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n',
        start + b'Transfer-Encoding:\x0bchunked' + end,
        start + b'Transfer-Encoding: chunked\r\nTransfer-Encoding: x' + end,
        start + b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked' + end,
        start + b'Transfer-Encoding\n : chunked' + end,
        start + b'Foo: bar\nTransfer-Encoding: chunked' + end,
        start + b'Foo: bar\rTransfer-Encoding: chunked' + end,
        start + b'Foo: bar\r\n\rTransfer-Encoding: chunked' + end,
        start + b'Foo: a\x00b\r\n\r\n',
        start + b'Foo\x00: b\r\n\r\n',
        b'POST %s HTTP/1.0\r\nTransfer-Encoding: chunked' % post + end,
        b'GET %s HTTP/1.1\r\nHost: %s\r\nHost: evil\r\n\r\n' % (get, host),
        b'GET %s HTTP/1.1\r\n\r\n' % get,
        b'GET http://evil%s HTTP/1.1\r\nHost: %s\r\n\r\n' % (get, host),
        b'GET http://%s HTTP/1.1\r\nHost: %s\r\n\r\n' % (host, host),
        b'GET ftp://%s%s HTTP/1.1\r\nHost: %s\r\n\r\n' % (host, get, host),
        b'GET %s HTTP/1.1\r\nHost: %s evil\r\n\r\n' % (get, host),
        b'GET %s\r\nHost: %s\r\n\r\n' % (get, host),
        b'GET %s HTTP/1.1 \r\nHost: %s\r\n\r\n' % (get, host),
        b'GET  %s HTTP/1.1\r\nHost: %s\r\n\r\n' % (get, host),
        b'GET %s\x00 HTTP/1.1\r\nHost: %s\r\n\r\n' % (get, host),
        b'CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n' % (host, host),
        b'TRACE %s HTTP/1.1\r\nHost: %s\r\nCookie: secret\r\n\r\n' % (get, host),
    ]]


def broken_chunks(host, get, post, fields=b''):
    """The same with good heads and bad bodies."""
    start = b'POST %s HTTP/1.1\r\nHost: %s\r\n%sTransfer-Encoding: chunked\r\n\r\n' % (post, host, fields)
    return [start + body + smuggled(host, get) for body in [
        b'2;\nxx\r\n4c\r\n0\r\n\r\n', b'2;a\rb\r\nxx\r\n0\r\n\r\n', b'2;' + b'x' * 300 + b'\r\nxx\r\n0\r\n\r\n',
        b'0 \r\n\r\n', b'0\n\n', b';\r\n\r\n', b'0x1\r\na\r\n0\r\n\r\n', b'-1\r\n\r\n', b'+1\r\na\r\n0\r\n\r\n',
        b'1\r\naX\r\n0\r\n\r\n', b'1\na\n0\n\n', b'0\r\nX y\r\n\r\n', b'0\r\nX: a\x00b\r\n\r\n', b'0\r\nX: y\nZ: z\r\n\r\n',
        b'0\r\nX: y\r\n z\r\n\r\n', b'100000000000000001\r\na\r\n0\r\n\r\n', b'00000000000000000001\r\na\r\n0\r\n\r\n',
    ]]


def assert_refused_and_ended(answer):
    """What a server answered to one of those until it closed."""
    assert answer.count(b'HTTP/1.1 ') == 1, answer
    assert answer.split()[1] in (b'400', b'501', b'505'), answer
    assert b'connection: close' in answer


def oversized(host):
    """(head, status)"""
    start = b'GET / HTTP/1.1\r\nHost: %s\r\n' % host
    return [(b'GET /' + b'a' * 40000, b'414'), (start + b'A: ' + b'a' * 70000, b'431'),
            (start + b'a: b\r\n' * 101 + b'\r\n', b'431'), (start + b'a: b\r\n' * 20000, b'431')]


# ---- HTTP/2 --------------------------------------------------------------------------------------------------------

PSEUDO = [(':method', 'GET'), (':scheme', 'http'), (':authority', 'h'), (':path', '/hello')]


def fields(*pairs):
    return b''.join(field(n, v) for n, v in pairs)


MALFORMED_HEADS = [
    fields(*PSEUDO[:3]), fields(*PSEUDO[1:]), fields(PSEUDO[0], *PSEUDO[2:]),
    fields(*PSEUDO, PSEUDO[3]), fields(*PSEUDO, (':status', '200')), fields(*PSEUDO, (':x', 'y')),
    fields(*PSEUDO, ('a', 'b'), (':method', 'GET')), fields(*PSEUDO, ('X-Upper', 'y')),
    fields(*PSEUDO, ('connection', 'close')), fields(*PSEUDO, ('transfer-encoding', 'chunked')),
    fields(*PSEUDO, ('te', 'gzip')), fields(*PSEUDO, ('a', b'b\nc')), fields(*PSEUDO, ('a', b'b\rc')),
    fields(*PSEUDO, ('a', b'b\0c')), fields(*PSEUDO, ('a b', 'c')), fields(*PSEUDO, ('', 'c')),
    fields(*PSEUDO, ('content-length', '-1')), fields(*PSEUDO, ('content-length', '5')),
    fields(*PSEUDO, ('content-length', '0'), ('content-length', '0')),
    fields(*PSEUDO[:2], (':path', '/'), ('host', 'a'), ('host', 'b')), fields(*PSEUDO[:2], PSEUDO[3]),
    fields(*PSEUDO[:3], (':path', '/a b')),
]

# Each ends the connection with an error.
BROKEN_FRAMES = [
    frame(DATA, 0, 0, b'x'), frame(DATA, 0, 1, b'x'), frame(HEADERS, END_HEADERS, 2, block()),
    frame(HEADERS, END_HEADERS, 0, block()), frame(SETTINGS, 0, 1), frame(SETTINGS, ACK, 0, b'x'),
    frame(SETTINGS, 0, 0, b'x'), frame(PING, 0, 0, b'x'), frame(PING, 0, 1, b'12345678'),
    frame(WINDOW_UPDATE, 0, 0, b'\0\0\0\0'), frame(WINDOW_UPDATE, 0, 0, b'\x7f\xff\xff\xff') * 2,
    frame(CONTINUATION, END_HEADERS, 1, b'x'), frame(PUSH, 0, 1, b'1234'),
    frame(PUSH, END_HEADERS, 1, b'\0\0\0\2' + block()), frame(HEADERS, END_HEADERS, 1, b'\xff\xff\xff\xff\xff'),
    frame(HEADERS, 0, 1, block()) + frame(PING, 0, 0, b'12345678'), frame(RST_STREAM, 0, 1, b'1234'),
    frame(GOAWAY, 0, 0, b'x'), (1 << 20).to_bytes(3, 'big') + bytes([DATA, 0, 0, 0, 0, 1]), settings(window=1 << 31),
    settings(frame=1), settings(push=2), os.urandom(1000),
]

# (name, the i-th frame): cheap for who sends them. Stream 1 is open.
FLOODS = [
    ('ping', lambda i: frame(PING, 0, 0, b'12345678')),
    ('settings', lambda i: settings(window=1000 + i % 1000)),
    ('empty settings', lambda i: settings()),
    ('priority', lambda i: frame(PRIORITY, 0, 2 * i + 1, b'\0\0\0\0\x10')),
    ('empty data', lambda i: frame(DATA, 0, 1, b'')),
    ('goaway', lambda i: frame(GOAWAY, 0, 0, b'\0' * 8)),
]


def continuation_flood(i):
    """Behind a HEADERS frame without END_HEADERS (CVE-2024-27316)."""
    return frame(CONTINUATION, 0, 1, b'')


# A table entry of 4 KB, named 16,000 times by one byte each.
HEADER_BOMB = (frame(HEADERS, 0, 1, block() + field('a', 'x' * 4000, index=True)) +
               frame(CONTINUATION, END_HEADERS, 1, b'\xbe' * 16000))


def opened_and_reset(client, path, extra=(), end=False):
    """The i-th of many requests that their client takes back at once (CVE-2023-44487)."""
    return lambda i: client.request(2 * i + 1, path, 'POST', extra, end) + reset(2 * i + 1)


def opened_and_overflown(client, path, extra=()):
    """The same where the server has to reset the stream, since its window overflows (CVE-2025-8671)."""
    return lambda i: client.request(2 * i + 1, path, 'POST', extra, end=False) + window(2 * i + 1, 0x7fffffff)


def flood(client, make, limit):
    """Sends until the server has had enough, or it all; then the server must have closed. Returns the code of its GOAWAY:
    None when the reset of the connection has overtaken it."""
    sent = 0
    while sent < limit and client.try_send(*[make(sent + i) for i in range(50)]):
        sent += 50
    return client.goaway()
