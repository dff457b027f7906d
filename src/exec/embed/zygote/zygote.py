"""Warm Python: imports the SDK once, then forks a process per task that behaves as a cold `a0` does. When it has nothing to do
it forks a few ahead, the standbys, which do what does not depend on the task and wait for their orders.

usage: python zygote.py A0 CACHE [GROUP ...]     (descriptor 3 is a SOCK_SEQPACKET to the supervisor)

A process that it forks makes the folder of each GROUP with its own number behind (a cgroup), and enters it.

Started with the interpreter and the flags of A0's first line. It imports exactly the modules that a cold a0 has loaded when
it comes to the user's code; they are learnt once per environment from a cold run and kept in the file CACHE. Only modules of
that list may be imported here, hence no convenient ones.

Says  ready\\0<number of paths>\\0path...\\0name...   files to watch, environment variables read at import ("X*" = all with X)
      fail\\0reason
      pid\\0<request>\\0<pid>\\0in|out                the task waits at its gate, in its groups or not
Hears fork\\0<request>  with three descriptors: a file (cwd, count of arguments, arguments, environment; each ended by NUL),
      the log, the gate. A byte from the gate lets the task run; its end makes it leave.
"""
import os
import sys


def import_parts():
    """As modules, so that errors name their files; but sys.modules must be that of a cold a0, and nothing is written."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path, cached = list(sys.path), set(sys.path_importer_cache)
    sys.path.insert(0, folder)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    import zygote as shared
    from zygote import last, learn, preload, selftest, serve
    sys.dont_write_bytecode = writes
    sys.path[:] = path
    for entry in set(sys.path_importer_cache) - cached:
        del sys.path_importer_cache[entry]
    for name in [n for n in sys.modules if n.split('.')[0] == 'zygote']:
        del sys.modules[name]
    return shared, last, learn, preload, selftest, serve


shared, last, learn, preload, selftest, serve = import_parts()


def prepare(a0, cache):
    sys.path[0] = os.path.dirname(a0)
    sys.argv = [a0]
    with open(a0) as f:
        code = compile(f.read(), a0, 'exec')
    paths = learn.watched_paths(a0)
    names, threads = preload.preload(learn.cold_modules(a0, cache))
    selftest.self_test(threads)
    return code, paths, names, threads


def start():
    a0, cache = sys.argv[1:3]
    os.set_inheritable(shared.CONTROL, False)
    try:
        code, paths, names, threads = prepare(a0, cache)
        before = list(sys.modules)
        import gc
        import socket
        gc.collect()
        last.LAST.keep(gc, before)
        gc.freeze()
        main = selftest.test_the_end(a0, threads)
        if main is not None:
            return compile('', a0, 'exec'), main
        if 'gc' not in before:
            del sys.modules['gc']
        answer = ['ready', str(len(paths))] + paths + names
    except Exception as e:
        code, answer = None, ['fail', '%s' % e if isinstance(e, shared.Refused) else repr(e)]
        import socket
    control = socket.socket(fileno=shared.CONTROL)
    control.send('\0'.join(answer).encode('utf-8', 'surrogateescape'))
    if code is None:
        os._exit(1)
    return code, serve.serve(control, a0, threads)


CODE, MAIN = start()
END = None
try:
    exec(CODE, MAIN)
except BaseException as e:
    END = last.leave(e)
last.LAST.arm(globals())
if END is not None:
    raise END
