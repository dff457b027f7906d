"""What an environment must pass to be warm."""
import os
import sys

from zygote import Refused, must_end
from zygote.last import LAST
from zygote.task import new_main


def self_test(threads):
    """A fork, and a synchronous call of the SDK in it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threads.release()
            from flyte.syncify import syncify

            @syncify
            async def add(x):
                return x + 1
            code = 0 if add(1) == 2 else 2
        finally:
            os._exit(code)
    must_end(pid, 'the self-test')


def test_the_end(a0, threads):
    """A fork that ends as a task does: a file that was left open in a module, which the SDK holds, must be written. Returns there
    what a task's main module is; what follows is the end."""
    there, here = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(there)
        threads.release()
        module = sys.modules['tern_probe'] = type(sys)('tern_probe')
        exec('def function(): pass', module.__dict__)
        module.file = open(here, 'w')
        module.file.write('end')
        LAST.hold(module.function)
        return new_main(a0)
    os.close(here)
    try:
        must_end(pid, 'the test of the end')
        if os.read(there, 4) != b'end':
            raise Refused('an open file is not written at the end')
    finally:
        os.close(there)
