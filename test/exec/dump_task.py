"""What a task can see of its process, printed as one JSON line. Run warm and cold by test_warm.py, and compared."""
import flyte

env = flyte.TaskEnvironment(name='e')


def threads():
    import os
    import re
    import threading
    def steady(name):
        return re.sub('[0-9a-f]{8}', 'RANDOM', name)
    # Workers of thread pools come as they are needed, so their number is a matter of timing.
    names = sorted({re.sub('_[0-9]+$', '', steady(t.name)) for t in threading.enumerate()})
    return {'python': names, 'main': threading.main_thread().name,
            'current': steady(threading.current_thread().name), 'ident': threading.main_thread().native_id == os.getpid()}


def loggers():
    import logging

    def one(logger):
        return [logger.level, logger.propagate, logger.disabled, [type(h).__name__ for h in logger.handlers],
                [type(f).__name__ for f in logger.filters]]
    named = {n: one(x) for n, x in logging.Logger.manager.loggerDict.items() if isinstance(x, logging.Logger)}
    return {'root': one(logging.getLogger()), **dict(sorted(named.items()))}


def signals():
    import signal
    with open('/proc/self/status') as f:
        masks = {k: v.strip() for k, v in (line.split(':', 1) for line in f) if k.startswith('Sig') and k != 'SigQ'}
    return masks, {s.name: str(signal.getsignal(s)).split(' at ')[0] for s in signal.Signals}


def descriptors():
    import os
    found = {}
    for fd in sorted(os.listdir('/proc/self/fd'), key=int):
        try:
            target = os.readlink('/proc/self/fd/' + fd)
        except OSError:
            continue
        # Numbers of sockets and of processes differ by nature.
        found[fd] = 'log' if target.endswith('.log') else target.split('[')[0] if '[' in target else target
    return sorted(found.values()), {fd: os.get_inheritable(int(fd)) for fd in ('0', '1', '2')}


def limits():
    import resource
    return {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT_')}


def streams():
    import sys
    return {n: [getattr(sys, n).name, getattr(sys, n).encoding, getattr(sys, n).errors, getattr(sys, n).line_buffering,
                getattr(sys, n).isatty(), type(getattr(sys, n).buffer).__name__] for n in ('stdin', 'stdout', 'stderr')}


def module_facts(modules_at_import):
    import sys
    main = sys.modules['__main__']
    return {'at_import': modules_at_import, 'now': sorted(sys.modules),
            'main': {k: str(v).split(' object at ')[0] for k, v in vars(main).items() if k.startswith('__') and k != '__builtins__'},
            'main_names': sorted(vars(main)), 'builtins': type(main.__builtins__).__name__}


def interpreter():
    import gc
    import os
    import sys
    return {'argv': sys.argv, 'orig_argv': sys.orig_argv, 'path': sys.path, 'flags': str(sys.flags), 'executable': sys.executable,
            'prefix': sys.prefix, 'meta_path': [str(m).split(' at ')[0] for m in sys.meta_path], 'hooks': len(sys.path_hooks),
            'excepthook': str(sys.excepthook).split(' at ')[0], 'recursion': sys.getrecursionlimit(), 'gc': gc.get_threshold(),
            'gc_enabled': gc.isenabled(), 'switch': sys.getswitchinterval(), 'xoptions': sys._xoptions, 'warn': sys.warnoptions,
            'trace': str(sys.gettrace()), 'utf8': sys.flags.utf8_mode, 'fs': sys.getfilesystemencoding(), 'cwd': os.getcwd()}


def process():
    import locale
    import os
    import time
    umask = os.umask(0)
    os.umask(umask)
    with open('/proc/self/comm') as f:
        comm = f.read()
    with open('/proc/self/oom_score_adj') as f:
        oom = f.read()
    with open('/proc/self/cgroup') as f:
        cgroup = sorted(line.split(':')[1] for line in f if '/tern-' in line)
    return {'umask': umask, 'leader': os.getsid(0) == os.getpid() == os.getpgid(0), 'nice': os.nice(0), 'uid': os.getresuid(),
            'groups': os.getgroups(), 'comm': comm, 'oom': oom, 'cgroup': cgroup, 'affinity': sorted(os.sched_getaffinity(0)),
            'scheduler': os.sched_getscheduler(0), 'locale': locale.setlocale(locale.LC_ALL), 'zone': time.tzname,
            'parent': open('/proc/%d/comm' % os.getppid()).read()}


def shadowing():
    """Modules of the bundle that are named as ones of the standard library: which of them are ours."""
    import statistics
    return {'statistics': getattr(statistics, 'OURS', False), 'helper': __import__('helper').VALUE}


def import_facts():
    import sys
    return sorted(sys.modules)


AT_IMPORT = import_facts()


@env.task
def nested() -> int:
    return 5


@env.task
def main() -> int:
    import json
    import os
    import random
    import uuid

    import flyte.storage
    facts = {'env': dict(os.environ), 'env_order': list(os.environ), 'threads': threads(), 'loggers': loggers(), 'signals': signals(),
             'descriptors': descriptors(), 'limits': limits(), 'streams': streams(), 'modules': module_facts(AT_IMPORT),
             'interpreter': interpreter(), 'process': process(), 'shadowing': shadowing(),
             'sync_call': flyte.storage.exists_sync('s3://tern/inputs.pb'),
             'random': random.random(), 'uuid': str(uuid.uuid4()), 'urandom': os.urandom(8).hex(),
             'warm': b'zygote.py' in open('/proc/self/cmdline', 'rb').read()}
    print('DUMP' + json.dumps(facts, default=str), flush=True)
    return 1
