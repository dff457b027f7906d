"""HTTP/2 frames by hand (RFC 9113), so that a test may send what no library would. Header blocks are literals without
indexing or Huffman code (RFC 7541, 6.2.2)."""
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 3, 7, 8, 11
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'


def frame(kind, flags=0, stream=0, payload=b''):
    return len(payload).to_bytes(3, 'big') + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def number(value, prefix_bits, first=0):
    top = (1 << prefix_bits) - 1
    if value < top:
        return bytes([first | value])
    out, value = [first | top], value - top
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return number(len(s), 7) + s


def field(name, value, index=False):
    return (b'\x40' if index else b'\x00') + text(name) + text(value)


def block(path='/hello', method='GET', extra=(), host='h'):
    return b''.join(field(n, v) for n, v in [(':method', method), (':scheme', 'http'), (':authority', host),
                                             (':path', path), *extra])


def settings(**values):
    numbers = {'table': 1, 'push': 2, 'streams': 3, 'window': 4, 'frame': 5, 'list': 6}
    return frame(SETTINGS, 0, 0, b''.join(struct.pack('>HI', numbers[k], v) for k, v in values.items()))


def window(stream, n):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack('>I', n))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack('>I', code))


class Client:
    """A connection that has sent its preface. recv() gives (kind, flags, stream, payload), or None at the end."""
    host = 'h'  # of its requests

    def __init__(self, sock, **values):
        self.sock = sock
        self.buffer = b''
        self.sock.sendall(PREFACE + settings(**values))

    def send(self, *frames):
        self.sock.sendall(b''.join(frames))

    def try_send(self, *frames):
        """False: the server has closed."""
        try:
            self.send(*frames)
        except OSError:
            return False
        return True

    def request(self, stream, path='/hello', method='GET', extra=(), end=True):
        return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(path, method, extra, self.host))

    def exactly(self, n):
        while len(self.buffer) < n:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.buffer += more
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def recv(self):
        head = self.exactly(9)
        if head is None:
            return None
        payload = self.exactly(int.from_bytes(head[:3], 'big'))
        if payload is None:
            return None
        return head[3], head[4], struct.unpack('>I', head[5:])[0], payload

    def frames(self):
        while (f := self.recv()) is not None:
            yield f

    def until(self, kind, stream=None):
        """The next such frame; everything before it is skipped."""
        for f in self.frames():
            if f[0] == kind and stream in (None, f[2]):
                return f
        raise AssertionError(f'closed before a frame of kind {kind} on stream {stream}')

    def body(self, stream):
        """The DATA of a stream up to its end."""
        out = b''
        for kind, flags, id_, payload in self.frames():
            if id_ == stream and kind == RST_STREAM:
                raise AssertionError(f'reset: {payload.hex()}')
            if id_ == stream and kind == DATA:
                out += payload
            if id_ == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                return out
        raise AssertionError('closed')

    def goaway(self):
        """The error code of the GOAWAY with which the server ends, or None when it just closes."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = struct.unpack('>I', payload[4:8])[0]
        return code


def status(block_):
    """Of a response: only what the static table or a plain literal gives."""
    known = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
    return known.get(block_[0], 'other')
