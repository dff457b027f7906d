"""Talks to build/test/pbtool, the C side of the differential tests."""
import os
import struct
import subprocess

BUILD = os.environ.get('BUILD', 'build')
OK, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED = 0, 3, 5, 8


class Tool:
    def __init__(self):
        self.p = subprocess.Popen([f'{BUILD}/test/pbtool'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, op, name, data):
        """(status, bytes)"""
        name = name.encode()
        self.p.stdin.write(op.encode() + struct.pack('<I', len(name)) + name + struct.pack('<I', len(data)) + data)
        self.p.stdin.flush()
        head = self.p.stdout.read(5)
        assert len(head) == 5, f'pbtool died on {op} {name} {data!r}'
        status, size = struct.unpack('<BI', head)
        return status, self.p.stdout.read(size)

    def close(self):
        self.p.stdin.close()
        assert self.p.wait() == 0
