"""A disk that fails when the test says so: shim/disk.c, preloaded into Tern and its processes."""
import errno
import mmap
import pathlib
import struct
import subprocess

SHIM = pathlib.Path(__file__).resolve().parent / "shim"
HEAD = struct.Struct("=6i")
SIZE = HEAD.size + 512 + 64
OPS = {"sync": 1, "write": 2, "stall": 3}


def build(folder, name="disk"):
    """The library of shim/NAME.c, compiled into that folder."""
    library = pathlib.Path(folder) / f"{name}.so"
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-o",
                    str(library), str(SHIM / f"{name}.c"), "-ldl"], check=True)
    return library


class Disk:
    """The control file of one World's processes."""

    def __init__(self, library, w):
        self.folder, path = w.data, w.folder / "disk-control"
        path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), SIZE)
        w.extra_env.update(LD_PRELOAD=str(library), DISK_CONTROL=str(path))

    def fail(self, op, at=1, name="", error=errno.EIO, onwards=False, below=""):
        """From now on the at-th sync or write of a file below the data folder, or its folder `below`, whose path ends
        with `name` fails."""
        self.mend()
        self.memory[HEAD.size:SIZE] = struct.pack("512s64s", f"{self.folder}/{below}".encode(), name.encode())
        self.memory[:HEAD.size] = HEAD.pack(0, error, at, onwards, 0, 0)
        self.memory[:4] = struct.pack("=i", OPS[op])

    def stall(self, name):
        """From now on syncs of the files whose path ends with `name` do not return until mend()."""
        self.fail("stall", name=name)

    def mend(self):
        """How often it failed."""
        self.memory[:4] = bytes(4)
        return self.hits()

    def hits(self):
        return HEAD.unpack(self.memory[:HEAD.size])[5]
