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

CONTROL = 3
# Read from C, or by the interpreter itself: Python cannot see these reads.
ALWAYS = ['PYTHON*', 'FSSPEC_*', 'LD_*', 'LC_*', 'LANG', 'LANGUAGE', 'MALLOC_*', 'GLIBC_TUNABLES', 'OPENSSL_*', 'SSL_CERT*',
          'RUST_*', 'TZ', 'TZDIR', 'OMP_*', 'MKL_*', 'OPENBLAS_*', 'TMPDIR', 'SQLITE_TMPDIR', 'HOME', 'VIRTUAL_ENV']
# Read once per process by what a standby does ahead of its order.
ALWAYS += ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy',
           'REQUEST_METHOD', 'TOKIO_*', '_FLYTE_USE_PYQWEST_DNS_RESOLVER']
WAIT_S = 60
STANDBY_AFTER_S = 0.02  # without a request: the task that was just let go comes first
STANDBYS = min(len(os.sched_getaffinity(0)), 4)


class Refused(Exception):
    pass


# ---- what a cold a0 has loaded -------------------------------------------------------------------------------------

def watched_paths(a0):
    paths = [a0, os.path.join(os.path.dirname(os.path.dirname(a0)), 'pyvenv.cfg')]
    return [p for p in paths + [d for d in sys.path if d.endswith('-packages')] if os.path.exists(p)]


def stamp(a0):
    parts = [sys.version.replace('\n', ' ')]
    for path in watched_paths(a0) + [os.path.abspath(__file__)]:
        st = os.stat(path)
        parts.append('%s %d %d' % (path, st.st_mtime_ns, st.st_size))
    return '|'.join(parts)


PROBE = """import os, sys
with open(os.environ['TERN_PROBE_OUT'], 'w') as f:
    f.write('\\n'.join(sys.modules))
os._exit(0)
"""


def probe_bundle():
    import io
    import tarfile
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as tar:
        info = tarfile.TarInfo('tern_probe.py')
        info.size = len(PROBE)
        tar.addfile(info, io.BytesIO(PROBE.encode()))
    return data.getvalue()


def probe_server(files):
    """The few S3 requests of a starting task, answered from a dictionary."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def answer(self, body=True):
            data = files.get(self.path.split('?')[0])
            status, extra = (200, {}) if data is not None else (404, {})
            data = data or b''
            total, span = len(data), self.headers.get('Range', '')
            if span.startswith('bytes=') and total:
                first, _, last = span[6:].partition('-')
                first, last = int(first), min(int(last or total - 1), total - 1)
                data, status = data[first:last + 1], 206
                extra['Content-Range'] = 'bytes %d-%d/%d' % (first, last, total)
            self.send_response(status)
            for k, v in {'Content-Length': len(data), 'ETag': '"1"', 'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
                         **extra}.items():
                self.send_header(k, str(v))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_GET(self):
            self.answer()

        def do_HEAD(self):
            self.answer(body=False)

        def do_POST(self):
            self.rfile.read(int(self.headers.get('Content-Length') or 0))
            self.answer()

        do_PUT = do_POST

        def log_message(self, *_):
            pass

    return http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)


def probe_command(a0, endpoint, out):
    env = dict(os.environ, TERN_PROBE_OUT=out, RUN_NAME='probe', ACTION_NAME='a0', _U_RUN_BASE='s3://tern/run', _U_ORG_NAME='o',
               FLYTE_INTERNAL_EXECUTION_PROJECT='p', FLYTE_INTERNAL_EXECUTION_DOMAIN='d', _U_EP_OVERRIDE=endpoint,
               _U_INSECURE='true', _U_USE_ACTIONS='1', FLYTE_AWS_ENDPOINT=endpoint, FLYTE_AWS_ACCESS_KEY_ID='probe',
               FLYTE_AWS_SECRET_ACCESS_KEY='probe', NO_PROXY='127.0.0.1')
    args = [a0, '--inputs', 's3://tern/inputs.pb', '--outputs-path', 's3://tern/out', '--version', 'v',
            '--raw-data-path', 's3://tern/raw', '--checkpoint-path', 's3://tern/check', '--prev-checkpoint', '',
            '--run-name', 'probe', '--name', 'a0', '--run-start-time', '2026-01-01T00:00:00Z',
            '--tgz', 's3://tern/probe.tar.gz', '--dest', '.',
            '--resolver', 'flyte._internal.resolvers.default.DefaultTaskResolver', 'mod', 'tern_probe', 'instance', 'task']
    return args, env


def learn(a0, out):
    """Runs one cold a0 to the point where it imports the user's module. In a process of its own: it may import anything."""
    import shutil
    import subprocess
    import tempfile
    import threading
    server = probe_server({'/tern/probe.tar.gz': probe_bundle(), '/tern/inputs.pb': b''})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    args, env = probe_command(a0, 'http://127.0.0.1:%d' % server.server_address[1], out)
    work = tempfile.mkdtemp(prefix='tern-probe-')
    try:
        subprocess.run(args, env=env, cwd=work, stdin=subprocess.DEVNULL, timeout=WAIT_S, check=False)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def learn_apart(a0, out):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        os.close(CONTROL)
        learn(a0, out)
    finally:
        os._exit(0)


def cold_modules(a0, cache):
    now = stamp(a0)
    try:
        with open(cache) as f:
            lines = f.read().split('\n')
        if lines[0] == now:
            return lines[1:]
    except OSError:
        pass
    out = '%s.%d' % (cache, os.getpid())
    learn_apart(a0, out)
    try:
        with open(out) as f:
            names = [n for n in f.read().split('\n') if n not in ('__main__', 'tern_probe')]
        os.unlink(out)
    except OSError:
        raise Refused('a cold a0 did not come as far as the user\'s module') from None
    with open(out, 'w') as f:
        f.write('\n'.join([now] + names))
    os.rename(out, cache)
    return names


# ---- importing them ------------------------------------------------------------------------------------------------

class EnvironReads:
    """Notes which environment variables are read between start() and stop()."""

    def __init__(self):
        self.names = set()
        self.kind = type(os.environ)
        self.getitem, self.iter = self.kind.__getitem__, self.kind.__iter__

    def start(self):
        names, getitem, walk = self.names, self.getitem, self.iter

        def noted_getitem(environ, key):
            names.add(os.fsdecode(key))
            return getitem(environ, key)

        def noted_iter(environ):
            frame = sys._getframe(1)
            while frame.f_globals.get('__name__') in ('os', '_collections_abc', 'collections.abc'):
                frame = frame.f_back
            reader = frame.f_globals.get('__name__')
            # fsspec looks for its own prefix among all names; another reader would make every variable matter.
            if reader != 'fsspec.config':
                raise Refused('module %s reads the whole environment when it is imported' % reader)
            names.add('FSSPEC_*')
            return walk(environ)

        self.kind.__getitem__, self.kind.__iter__ = noted_getitem, noted_iter

    def stop(self):
        self.kind.__getitem__, self.kind.__iter__ = self.getitem, self.iter


class HeldThreads:
    """The SDK starts a thread with an event loop when it is imported, and a fork with threads hangs: the thread is held back here
    and started in each child. Any other thread, or event loop, is a reason not to be warm."""

    def __init__(self):
        import asyncio
        import threading
        self.asyncio, self.threading = asyncio, threading
        self.start_thread, self.new_event_loop = threading.Thread.start, asyncio.new_event_loop
        self.held = []

    def start(self):
        held = self.held

        def hold(thread):
            owner = getattr(thread._target, '__self__', None)
            if thread.name != 'flyte_syncify' or getattr(owner, 'loop', 0) is not None:
                raise Refused('thread %s is started by an import' % thread.name)
            held.append((thread, owner))

        def no_loop():
            if not sys._getframe(1).f_globals.get('__name__', '').startswith('flyte.syncify'):
                raise Refused('an event loop is made by an import')

        self.threading.Thread.start, self.asyncio.new_event_loop = hold, no_loop

    def stop(self):
        self.threading.Thread.start, self.asyncio.new_event_loop = self.start_thread, self.new_event_loop

    def release(self):
        main = self.threading.main_thread()
        if hasattr(main, '_set_native_id'):
            main._set_native_id()  # a fork leaves the one of the process it came from
        for thread, owner in self.held:
            owner.loop = self.asyncio.new_event_loop()
            thread.start()


def thread_count():
    with open('/proc/self/status') as f:
        for line in f:
            if line.startswith('Threads:'):
                return int(line.split()[1])
    return 0


def fill_caches():
    """What a cold a0 does before it comes to the user's code, as far as it starts no thread and opens no file for long."""
    metadata, httpx = sys.modules.get('importlib.metadata'), sys.modules.get('httpx')
    if metadata:
        metadata.entry_points()
    if httpx and 'httpcore' in sys.modules:  # it is imported when the first client is made
        httpx.AsyncClient()
    STOCK.make_contexts()


class Stock:
    """What every a0 makes before it comes to the user's code, made ahead by the same functions from the same arguments: SSL contexts
    with the root certificates (the SDK makes two clients of httpx, 20 ms each), clients of pyqwest. Each is given once. Before any
    code of the user's runs the functions are the old ones again: at the latest when a module is imported that is not there yet."""

    COUNT = 2

    def __init__(self):
        self.contexts, self.clients, self.replaced = [], [], []
        self.meta_path = None

    def make_contexts(self):
        ssl, certifi = sys.modules.get('ssl'), sys.modules.get('certifi')
        if ssl and certifi and not os.environ.get('SSLKEYLOGFILE'):
            self.cafile = certifi.where()
            self.contexts = [ssl.create_default_context(cafile=self.cafile) for _ in range(self.COUNT)]

    def make_clients(self):
        session = sys.modules.get('flyte.remote._client.auth._session')
        if session:
            self.clients = [session._build_pyqwest_client(None) for _ in range(self.COUNT)]

    def lay_out(self, lent=False):
        """From now on they are given instead of new ones; or lent, to who throws them away."""
        self.replace(self.contexts, lent, 'ssl', 'create_default_context', cafile=self.contexts and self.cafile)
        self.replace(self.clients, lent, 'flyte.remote._client.auth._session', '_build_pyqwest_client', None)
        if self.replaced:
            self.meta_path = sys.meta_path
            sys.meta_path = [self, *sys.meta_path]

    def replace(self, stock, lent, module, name, *args, **kwargs):
        if not stock:
            return
        make = getattr(sys.modules[module], name)

        def take(*a, **k):
            if not stock or (a, k) != (args, kwargs):
                return make(*a, **k)
            return stock[-1] if lent else stock.pop()

        setattr(sys.modules[module], name, take)
        self.replaced.append((module, name, make))

    def put_away(self):
        if self.meta_path is not None:
            sys.meta_path, self.meta_path = self.meta_path, None
        while self.replaced:
            module, name, make = self.replaced.pop()
            setattr(sys.modules[module], name, make)

    def find_spec(self, *_):
        """Of a finder of modules: it is asked first, and never knows."""
        self.put_away()


STOCK = Stock()


def preload(names):
    reads, threads = EnvironReads(), HeldThreads()
    reads.start()
    threads.start()
    try:
        for name in names:
            if name not in sys.modules:
                try:
                    __import__(name)
                except ImportError:
                    pass  # modules that another one puts there by hand; compared below
    finally:
        threads.stop()
        reads.stop()
    fill_caches()
    missing = [n for n in names if n not in sys.modules]
    more = sorted(set(sys.modules) - set(names) - {'__main__'})
    if missing or more:
        raise Refused('other modules than a cold a0: missing %s, more %s' % (missing[:5], more[:5]))
    if thread_count() != 1:
        raise Refused('%d threads after the imports' % thread_count())
    descriptors = set(os.listdir('/proc/self/fd'))
    if len(descriptors - {'0', '1', '2', str(CONTROL)}) > 1:  # one is the listing's own
        raise Refused('descriptors are opened by an import')
    return sorted(reads.names | set(ALWAYS)), threads


def reseed():
    """The random module does it by itself after a fork; numpy, where a cold a0 has it loaded, does not."""
    numpy_random = sys.modules.get('numpy.random')
    if numpy_random is not None:
        numpy_random.seed()


def must_end(pid, what):
    import time
    for _ in range(500):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if status:
                raise Refused('%s ended with status %d' % (what, status))
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise Refused('%s hung' % what)


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
    return None


# ---- one task ------------------------------------------------------------------------------------------------------

def fork_task(run):
    """Forks twice, so that the task becomes the supervisor's child, and returns there what run() does; None in the zygote."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return None
    try:
        if os.fork():
            os._exit(0)
        os.setsid()
        return run()
    except BaseException as e:
        os.write(2, b'tern: %s\n' % os.fsencode(repr(e)))
        os._exit(126)


def receive(channel):
    """A request's number and its three descriptors; nothing when the other side is gone."""
    import socket
    data, ancillary, _, _ = channel.recvmsg(64, socket.CMSG_SPACE(3 * 4))
    raw = b''.join(d for level, kind, d in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS))
    return data, [int.from_bytes(raw[i:i + 4], sys.byteorder) for i in range(0, 12, 4)] if data else []


def discard(channel):
    """An object that owns a descriptor would close that number later, when it is somebody else's."""
    os.close(channel.detach())


def serve(control, a0, threads):
    """Returns in the process of a task, with what it needs; never in the zygote itself."""
    import select
    waiting = []
    while True:
        if len(waiting) < STANDBYS and not select.select([control], [], [], STANDBY_AFTER_S)[0]:
            main, channel = fork_standby(control, waiting, a0, threads)
            if main is not None:
                return main
            waiting.append(channel)
        if len(waiting) < STANDBYS and not select.select([control], [], [], 0)[0]:
            continue
        data, fds = receive(control)
        if not data:
            os._exit(0)  # the supervisor is gone
        given = False
        while waiting and not given:
            given = hand_over(waiting.pop(0), data, fds)
        main = None if given else fork_task(lambda: become_task(control, waiting, data, fds, a0, threads))
        if main is not None:
            return main
        for fd in fds:
            os.close(fd)


def become_task(control, waiting, data, fds, a0, threads):
    for channel in waiting:
        discard(channel)
    announce(control, data, enter_groups())
    order = wait_at_gate(fds)
    os.closerange(3, 1 << 16)
    take_order(order, a0)
    threads.release()
    return new_main(a0)


# ---- standby: a child that has done ahead what does not depend on the task ------------------------------------------

def fork_standby(control, waiting, a0, threads):
    """In the zygote: None and the channel to it. In the standby, once it is a task: what it needs, and None."""
    import socket
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def run():
        for channel in [*waiting, ours]:
            discard(channel)  # their ends must be seen when the zygote has ended
        return stand_by(control, theirs, a0, threads)
    main = fork_task(run)
    if main is None:
        theirs.close()
        return None, ours
    return main, None


def hand_over(standby, data, fds):
    import socket
    try:
        rights = b''.join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        standby.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        return True
    except OSError:
        return False  # it has died
    finally:
        standby.close()


def stand_by(control, channel, a0, threads):
    in_groups = enter_groups()
    set_name('a0')  # threads inherit it
    threads.release()
    do_ahead()
    set_name('a0-standby')
    data, fds = receive(channel)
    if not data:
        os._exit(0)
    discard(channel)
    announce(control, data, in_groups)
    take_order(wait_at_gate(fds), a0)
    return new_main(a0)


def do_ahead():
    """Every a0 has made clients before it comes to the user's code. The first one of a process starts the threads of a runtime and
    fills caches. Nothing is connected."""
    try:
        STOCK.make_clients()
        STOCK.lay_out(lent=True)
        make_api_client()
    except Exception:
        pass  # of another SDK: a task makes its own, and says what is wrong
    finally:
        STOCK.put_away()


def make_api_client():
    """Thrown away: what is made once for a process stays."""
    control = sys.modules.get('flyte.remote._client.controlplane')
    making = control and control.ClientSet.for_endpoint('http://127.0.0.1:9', insecure=True)
    try:
        if making:
            making.send(None)  # without an event loop: it does not wait for anything
    except StopIteration:
        pass
    finally:
        if making:
            making.close()


# ---- one task, of either kind ----------------------------------------------------------------------------------------

def set_name(name):
    with open('/proc/self/comm', 'w') as f:
        f.write(name)


def enter_groups():
    """To change groups takes a process 10 ms and more, of waiting. False: the supervisor has to do it."""
    made = []
    try:
        for group in ARGV[3:]:
            made.append('%s%d' % (group, os.getpid()))
            os.mkdir(made[-1])
            with open(made[-1] + '/cgroup.procs', 'w') as f:
                f.write('0')
    except OSError:
        return False
    return bool(made)


def announce(control, data, in_groups):
    control.send(b'pid\0%s\0%d\0%s' % (data.split(b'\0')[1], os.getpid(), b'in' if in_groups else b'out'))
    discard(control)


def wait_at_gate(fds):
    """The parts of the order, once the task may run."""
    order, log, gate = fds
    os.dup2(log, 1)
    os.dup2(log, 2)
    with open(order, 'rb') as f:
        parts = f.read().split(b'\0')[:-1]
    if os.read(gate, 1) != b'g':
        os.kill(os.getpid(), 9)  # an exit code would look like the task's own; this is an interruption
    os.close(log)
    os.close(gate)
    return parts


def take_order(parts, a0):
    argc = int(parts[1])
    argv, env = parts[2:2 + argc], parts[2 + argc:]
    os.chdir(parts[0])
    os.environ.clear()
    for pair in env:
        name, _, value = pair.partition(b'=')
        os.environ[os.fsdecode(name)] = os.fsdecode(value)
    sys.argv = [a0] + [os.fsdecode(a) for a in argv[1:]]
    sys.orig_argv = sys.orig_argv[:-len(ARGV)] + sys.argv
    set_name('a0')
    reseed()
    if not os.environ.get('SSLKEYLOGFILE') and '--pkl' not in sys.argv:  # a pickle may need no import
        STOCK.lay_out()


def new_main(a0):
    module = type(sys)('__main__')
    module.__dict__.update(__package__=None, __loader__=type(sys.modules['flyte'].__loader__)('__main__', a0), __spec__=None,
                           __annotations__={}, __builtins__=__builtins__, __file__=a0, __cached__=None)
    sys.modules['__main__'] = module
    return module.__dict__


def prepare(a0, cache):
    sys.path[0] = os.path.dirname(a0)
    sys.argv = [a0]
    with open(a0) as f:
        code = compile(f.read(), a0, 'exec')
    paths = watched_paths(a0)
    names, threads = preload(cold_modules(a0, cache))
    self_test(threads)
    return code, paths, names, threads


ARGV = list(sys.argv)


def start():
    a0, cache = ARGV[1:3]
    os.set_inheritable(CONTROL, False)
    try:
        code, paths, names, threads = prepare(a0, cache)
        before = list(sys.modules)
        import gc
        import socket
        gc.collect()
        LAST.keep(gc, before)
        gc.freeze()
        main = test_the_end(a0, threads)
        if main is not None:
            return compile('', a0, 'exec'), main
        if 'gc' not in before:
            del sys.modules['gc']
        answer = ['ready', str(len(paths))] + paths + names
    except Exception as e:
        code, answer = None, ['fail', '%s' % e if isinstance(e, Refused) else repr(e)]
        import socket
    control = socket.socket(fileno=CONTROL)
    control.send('\0'.join(answer).encode('utf-8', 'surrogateescape'))
    if code is None:
        os._exit(1)
    return code, serve(control, a0, threads)


# ---- the end of a task -----------------------------------------------------------------------------------------------

class Last:
    """What was there before the fork is never freed: that would copy most of the pages that a task shares with the others, and nobody
    could see it. What the task has made ends by the interpreter's own hand and at its own time. A cold interpreter at its end

    * forgets the modules and collects; nothing of the task's is found, for threads of the SDK still hold the SDK, and so the task;
    * empties the modules that are still there, the last imported first; only then the SDK lets go of the task;
    * empties sys and builtins, and collects again.

    Here forget() takes the old modules out of it, except for one that stands for them all: when its turn comes, let_go() empties
    those that the task has seen or changed, and lets go of what the SDK holds."""

    def keep(self, gc, names):
        self.modules = {n: self.dict_of(sys.modules[n]) for n in names if n != '__main__'}
        self.sizes = [len(d) for d in self.modules.values()]
        self.caches = [o for o in gc.get_objects() if type(o).__name__ == '_lru_cache_wrapper']
        self.cached = [c.cache_info().currsize for c in self.caches]
        self.registries = {n: [(x, type(x)(x)) for k, x in d.items() if type(x) in (list, dict, set) and k[:2] != '__']
                           for n, d in self.modules.items()}
        kept = gc.get_objects()
        kept.append(kept)

    def dict_of(self, module):
        return object.__getattribute__(module, '__dict__')  # some are loaded when they are asked for anything, even isinstance()

    def hold(self, value):
        """As the SDK holds a task."""
        next(x for n, known in self.registries.items() if n.startswith('flyte.') for x, _ in known if type(x) is list).append(value)

    def arm(self):
        self.place = type(sys)('<tern>')
        self.place.hook = Hook(self.let_go)
        sys.__interactivehook__ = Hook(self.forget)

    def forget(self):
        for name in ('stdin', 'stdout', 'stderr'):  # what comes next anyway, for which the modules must be there
            setattr(sys, name, getattr(sys, '__%s__' % name, None))
        mine = [(n, m) for n, m in sys.modules.items() if n not in self.modules]
        sys.modules.clear()
        sys.modules['<tern>'] = self.place
        sys.modules.update(mine)
        self.seen = {n for _, m in mine if issubclass(type(m), type(sys)) for v in self.dict_of(m).values() for n in self.module_of(v)}
        globals().pop('MAIN', None)

    def module_of(self, value):
        kind, name = type(value), None
        if issubclass(kind, type(sys)):
            name = self.dict_of(value).get('__name__')
        elif issubclass(kind, type):
            name = type.__getattribute__(value, '__module__')
        elif kind is type(Hook.__del__):
            name = value.__module__
        return [name] if isinstance(name, str) else []

    def let_go(self):
        changed = [n for n, size in zip(self.modules, self.sizes) if len(self.modules[n]) != size or n in self.seen]
        for name in reversed(changed):
            if name not in ('sys', 'builtins'):
                self.empty(self.modules[name])
        for name in self.modules:
            if name in changed or name.startswith('flyte.'):
                self.restore(self.registries[name])
        for cache, size in zip(self.caches, self.cached):
            if cache.cache_info().currsize != size:
                cache.cache_clear()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass  # as when it is freed

    def restore(self, registries):
        """The lists, dictionaries and sets of a module that has been emptied hold nothing of the task's any more."""
        for now, before in registries:
            if len(now) != len(before):
                now.clear()
                (now.extend if type(now) is list else now.update)(before)

    def empty(self, names):
        """As the interpreter does it."""
        for private in (True, False):
            for name in names:
                if name != '__builtins__' and private == (name[:1] == '_' and name[1:2] != '_'):
                    names[name] = None


class Hook:
    """Calls when nothing holds it any more. The interpreter clears sys.__interactivehook__ when the functions of atexit have run and
    what is garbage then is collected, before it drops the modules."""

    def __init__(self, call):
        self.call = call

    def __del__(self):
        if sys.is_finalizing():
            self.call()


def leave(error):
    """What to raise so that the interpreter ends as if it had got the error itself, without the frame of this file."""
    error.__traceback__ = error.__traceback__.tb_next
    if isinstance(error, SystemExit):
        return SystemExit(error.code)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        sys.excepthook = lambda *_: None
        return KeyboardInterrupt()
    return SystemExit(1)


LAST = Last()
CODE, MAIN = start()
END = None
try:
    exec(CODE, MAIN)
except BaseException as e:
    END = leave(e)
LAST.arm()
if END is not None:
    raise END
