"""Imports what a cold a0 has loaded, and nothing else: no thread, no descriptor, and every variable that was read is known."""
import os
import sys

from zygote import CONTROL, Refused
from zygote.stock import STOCK

# Read from C, or by the interpreter itself: Python cannot see these reads.
ALWAYS = ['PYTHON*', 'FSSPEC_*', 'LD_*', 'LC_*', 'LANG', 'LANGUAGE', 'MALLOC_*', 'GLIBC_TUNABLES', 'OPENSSL_*', 'SSL_CERT*',
          'RUST_*', 'TZ', 'TZDIR', 'OMP_*', 'MKL_*', 'OPENBLAS_*', 'TMPDIR', 'SQLITE_TMPDIR', 'HOME', 'VIRTUAL_ENV']
# Read once per process by what a standby does ahead of its order.
ALWAYS += ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy',
           'REQUEST_METHOD', 'TOKIO_*', '_FLYTE_USE_PYQWEST_DNS_RESOLVER']


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
