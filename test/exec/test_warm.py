"""The warm pool (D-21): a task sees the same, warm and cold; what cannot be the same runs cold; ends are told as they are."""
import io
import json
import os
import pathlib
import shutil
import signal
import tarfile
import time

import pytest
from conftest import Execd, alive, supervisor_pid, sdk_venv
from waiting import wait_until
from s3_stub import Store

RUNTIME = 'flyte._internal.resolvers.default.DefaultTaskResolver'
DUMP = pathlib.Path(__file__).with_name('dump_task.py').read_text()


@pytest.fixture
def store():
    s = Store()
    yield s
    s.close()


def put_bundle(store, name, files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    store.files['/tern/%s.tar.gz' % name] = data.getvalue()
    store.files['/tern/inputs.pb'] = b''
    return 's3://tern/%s.tar.gz' % name


def a0(store, bundle, out, module='user', task='main'):
    return ['a0', '--inputs', 's3://tern/inputs.pb', '--outputs-path', 's3://tern/out/' + out, '--version', 'v',
            '--raw-data-path', 's3://tern/raw', '--checkpoint-path', 's3://tern/check', '--prev-checkpoint', '',
            '--run-name', 'r', '--name', 'a0', '--run-start-time', '2026-01-01T00:00:00Z', '--tgz', bundle, '--dest', '.',
            '--resolver', RUNTIME, 'mod', module, 'instance', task]


def environment(store, **more):
    return {'RUN_NAME': 'r', 'ACTION_NAME': 'a0', '_U_RUN_BASE': 's3://tern/run', '_U_ORG_NAME': 'o',
            'FLYTE_INTERNAL_EXECUTION_PROJECT': 'p', 'FLYTE_INTERNAL_EXECUTION_DOMAIN': 'd', '_U_EP_OVERRIDE': store.url,
            '_U_INSECURE': 'true', '_U_USE_ACTIONS': '1', 'LOG_LEVEL': '30', 'LOG_FORMAT': 'console', 'USER_LOG_LEVEL': '20',
            'FLYTE_AWS_ENDPOINT': store.url, 'FLYTE_AWS_ACCESS_KEY_ID': 'k', 'FLYTE_AWS_SECRET_ACCESS_KEY': 's', **more}


def is_warm(data, pid):
    """A task that was forked from the pool keeps the command line of the process it was forked from."""
    return b'zygote.py' in pathlib.Path('/proc/%d/cmdline' % pid).read_bytes()


class Tasks:
    def __init__(self, e, store, data):
        self.e, self.store, self.data = e, store, data
        self.n = 0

    def run(self, files, env=None, timeout=60, **fields):
        self.n += 1
        fields.setdefault('action', 'a0')
        bundle = put_bundle(self.store, 'b%d' % self.n, files)
        out = 'o%d' % self.n
        id, o = self.e.run(a0(self.store, bundle, out), env=environment(self.store, **(env or {})), python=True,
                           timeout=timeout, run='same-%d' % self.n, **fields)
        result = {k.rpartition('/')[2]: v for k, v in self.store.files.items() if k.startswith('/tern/out/%s/' % out)}
        return id, o, result

    def warm_up(self):
        """Runs until a task was forked from the pool."""
        code = {'user.py': TEMPLATE % 'print("warm" if b"zygote.py" in open("/proc/self/cmdline", "rb").read() else "cold")'}
        for _ in range(10):
            id, o, _ = self.run(code)
            assert o['exit_code'] == 0, self.e.log(id, system=True)
            if 'warm' in self.e.log(id):
                return
            self.wait_ready()
        raise AssertionError('never warm: ' + (self.data / 'log' / 'supervisor.log').read_text())

    def wait_ready(self):
        log = self.data / 'log' / 'supervisor.log'
        wait_until(lambda: 'warm Python ready' in log.read_text() or 'no warm Python' in log.read_text())


TEMPLATE = """import flyte
env = flyte.TaskEnvironment(name='e')
@env.task
async def main():
    %s
"""


def stop(e, path):
    e.close()
    pid = supervisor_pid(path)
    if pid:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), what='the end of the supervisor')


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    """A warm and a cold executor, shared by the tests of this file: a pool takes seconds to start."""
    path = sdk_venv()
    if path is None:
        pytest.skip('no venv with flyte: set TERN_TEST_VENV')
    store, made = Store(), {}
    for name in ('warm', 'cold'):
        data = tmp_path_factory.mktemp(name)
        made[name] = Tasks(Execd(data, python=path, warm='yes' if name == 'warm' else 'no', cpus=2), store, data)
        made[name].e.wait_ready()
    yield made
    for tasks in made.values():
        stop(tasks.e, tasks.data)
    store.close()


@pytest.fixture
def warm(both):
    both['warm'].warm_up()
    return both['warm']


@pytest.fixture
def cold(both):
    return both['cold']


def neutral(value, data):
    """Without what must differ: folders and numbers of this very process."""
    return json.loads(json.dumps(value).replace(str(data), 'DATA'))


def test_a_task_sees_the_same(warm, cold):
    seen = {}
    wait_standby(warm.e)
    for name, tasks in (('warm', warm), ('cold', cold)):
        tasks.n = 1000
        id, o, result = tasks.run({'user.py': DUMP, 'helper.py': 'VALUE = 41\n', 'statistics.py': 'OURS = True\n'})
        text = tasks.e.log(id)
        assert o['exit_code'] == 0 and 'outputs.pb' in result, tasks.e.log(id, system=True)
        dump = json.loads(text[text.index('DUMP') + 4:].splitlines()[0])
        assert dump.pop('warm') == (name == 'warm')
        # Random for every process: both must differ from run to run, and never be compared.
        id2, _, _ = tasks.run({'user.py': DUMP, 'helper.py': 'VALUE = 41\n', 'statistics.py': 'OURS = True\n'})
        again = json.loads((t := tasks.e.log(id2))[t.index('DUMP') + 4:].splitlines()[0])
        for key in ('random', 'uuid', 'urandom'):
            assert dump.pop(key) != again[key]
        seen[name] = neutral(dump, tasks.data)
    different = differences(seen['warm'], seen['cold'])
    assert not different, '\n'.join(different)


def differences(a, b, at=''):
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for k in sorted(set(a) | set(b)) for d in differences(a.get(k), b.get(k), at + '.' + k)]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, '%s[%d]' % (at, i))]
    if isinstance(a, list) and isinstance(b, list) and all(isinstance(x, str) for x in a + b) and sorted(set(a) ^ set(b)):
        return ['%s: only warm %s, only cold %s' % (at, sorted(set(a) - set(b)), sorted(set(b) - set(a)))]
    return [] if a == b else ['%s: warm %r, cold %r' % (at, a, b)]


ENDS = {
    'return': 'return None',
    'raise': 'raise ValueError("boom")',
    'exit 3': 'import sys; sys.exit(3)',
    '_exit 7': 'import os; os._exit(7)',
    'segv': 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)',
    'output': 'import sys; sys.stdout.write("no newline"); print("err", file=sys.stderr)\n'
              '    import atexit; atexit.register(print, "at exit")',
    'child': 'import subprocess, sys; print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, sys.path[0])"], '
             'capture_output=True, text=True).stdout)',
    'seeded': 'import random; random.seed(5); print(random.random(), random.Random(3).random())',
    'pool': 'import multiprocessing as m\n    for kind in ("fork", "spawn", "forkserver"):\n'
            '        with m.get_context(kind).Pool(2) as p: print(kind, p.map(abs, [-1, -2]))',
    'threads': 'import threading; t = threading.Thread(target=print, args=("in a thread",)); t.start(); t.join()',
    'sync call': 'import flyte.storage; print(flyte.storage.exists_sync("s3://tern/inputs.pb"))',
    'import missing': 'import no_such_module_here',
    'open file': 'global left; left = open(1, "w", closefd=False); left.write("flushed at the end\\n")',
    'cycle': 'global ring\n    class Ring:\n        def __del__(self): print("ring ended", self.self is self)\n'
             '    ring = Ring(); ring.self = ring',
    'object': 'global last\n    class Last:\n        def __del__(self): print("last ended", flyte.__name__, env.name)\n    last = Last()',
}

OPENED = '''
def opened(text):
    f = open(1, 'w', closefd=False)
    f.write(text + '\\n')
    return f
'''
# What else stands in the module of a task: what is left in it when the task ends, and who else holds it.
LEFT = {
    'held by a class': '''
import os
class Noisy:
    def __init__(self, name): self.name = name
    def __del__(self): print('ended', self.name, os.getpid() > 1, type(env).__name__)
class Holder:
    first = Noisy('in a class')
def function(x=Noisy('a default')): pass
_hidden, shown = Noisy('hidden'), Noisy('shown')
''',
    'held by a cache': '''
import functools, typing
class Noisy:
    def __del__(self): print('ended', functools.__name__)
KIND = typing.List[Noisy]
ALSO = typing.Dict[str, typing.Optional[Noisy]]
last = Noisy()
''',
    'held by another module': '''
import logging, json, helper
class Noisy(logging.Handler):
    def emit(self, record): print('emitted', record.getMessage())
    def __del__(self): print('handler ended', json.__name__)
logging.getLogger('mine').addHandler(Noisy())
json.mine = Noisy()
helper.mine = Noisy()
logging.getLogger('mine').warning('once')
''',
    'streams': '''
import sys
class Stream:
    def __init__(self, to): self.to = to
    def write(self, text): return self.to.write(text.upper())
    def flush(self): self.to.flush()
    def __del__(self): self.to.write('stream ended\\n')
sys.stdout = Stream(sys.stdout)
print('to the stream')
''',
    'suspended': '''
import asyncio
def steps():
    try: yield 1
    finally: print('generator ended')
left = steps(); next(left)
async def never(): pass
coroutine = never()
''',
    'finalizers': '''
import atexit, weakref, threading
class Thing: pass
thing, other = Thing(), Thing()
weakref.finalize(thing, print, 'finalized')
ref = weakref.ref(other, lambda r: print('callback'))
atexit.register(lambda: print('at exit', thing is not None))
threading.Thread(target=threading.Event().wait, daemon=True).start()
''',
    'errors': '''
class Bad:
    def __del__(self): raise ValueError('in the end')
bad = Bad()
''',
    'open files': OPENED + '''
import abc, collections.abc, copyreg, dataclasses, functools, json, signal, sys, typing, helper
class Mine: file = opened('in a class')
copyreg.pickle(Mine, lambda m: (Mine, ()))
@dataclasses.dataclass
class Data: file: typing.ClassVar = opened('in a data class')
class Abstract(abc.ABC): file = opened('in an abstract class')
collections.abc.Mapping.register(Abstract)
@functools.lru_cache
def cached(): return opened('in a cache of the task')
cached()
json.mine, helper.mine, helper.deep = opened('in an old module'), opened('in a new module'), Mine()
helper.deep.file = opened('deep in a new module')
def patched(*_, file=opened('in a default')): pass
json.dumps = sys.excepthook = patched
signal.signal(signal.SIGUSR2, lambda *_, file=opened('in a handler of signals'): None)
@env.task
async def other(d: Data) -> Data: return d
other.mine, env.mine = opened('on a task'), opened('on an environment')
''',
    'open files that the SDK holds': OPENED + '''
from flyte.types import TypeEngine, TypeTransformer
class Mine: file = opened('in a class')
class Other(TypeTransformer):
    file = opened('in what the SDK knows')
    def get_literal_type(self, t): pass
    async def to_literal(self, *_): pass
    async def to_python_value(self, *_): pass
TypeEngine.register(Other('other', Mine))
''',
    'open files in contexts': OPENED + '''
import atexit, contextvars, threading
var = contextvars.ContextVar('var')
class Ring: context = contextvars.copy_context()
Ring.me = Ring()
Ring.context.run(var.set, opened('in a context that is kept'))
default = contextvars.ContextVar('default', default=opened('a default'))
def other(): var.set(opened('in the context of a thread'))
thread = threading.Thread(target=other); thread.start(); thread.join()
atexit.register(lambda: var.set(opened('in the main context')))
''',
    'imports': '''
import sys, csv, wave
class Noisy:
    def __del__(self):
        print('modules', sys.modules.get('csv'), sys.path, csv.__name__)
        try: import colorsys
        except ImportError as e: print(e)
        import json
        print(json.__name__)
last = Noisy()
''',
}


@pytest.mark.parametrize('name', ENDS)
def test_ends_are_the_same(warm, cold, name):
    seen = []
    for tasks in (warm, cold):
        tasks.n = 2000 + 2 * list(ENDS).index(name)
        id, o, result = tasks.run({'user.py': TEMPLATE % ENDS[name]})
        result = {k: v.replace(str(tasks.data).encode(), b'DATA') for k, v in result.items()}
        lines = tasks.e.log(id).replace(str(tasks.data), 'DATA')
        seen.append((o['exit_code'], o['signal'], o['state'], sorted(result), lines_without_times(lines)))
    assert seen[0][:4] == seen[1][:4]
    assert seen[0][4].splitlines() == seen[1][4].splitlines()


@pytest.mark.parametrize('name', LEFT)
def test_what_is_left_ends_the_same(warm, cold, name):
    seen = []
    for tasks in (warm, cold):
        tasks.n = 3000 + 2 * list(LEFT).index(name)
        head, mark, tail = (TEMPLATE % 'return None').partition('@env.task')
        files = {'user.py': head + LEFT[name] + mark + tail, 'helper.py': 'def f(): pass\n'}
        id, o, _ = tasks.run(files)
        seen.append((o['exit_code'], lines_without_times(tasks.e.log(id).replace(str(tasks.data), 'DATA'))))
    assert seen[0][0] == seen[1][0] == 0
    # Files are written in the order in which a collector finds them.
    order = sorted if name.startswith('open files') else list
    assert order(seen[0][1].splitlines()) == order(seen[1][1].splitlines())


def lines_without_times(text):
    import re
    if 'Task exception was never retrieved' in text:
        # Printed whenever the collector finds the task: how far its error had come by then is a matter of timing.
        text = ''.join(x for x in text.splitlines(True) if not x.startswith('  '))
    text = re.sub(r'Task-\d+', 'Task-N', text)
    text = re.sub(r'\d\d:\d\d:\d\d[.,]?\d*', 'TIME', text)
    text = re.sub(r'\d+\.\d+ ?(s|ms|seconds)\b', 'SPAN', text)
    return re.sub(r'0x[0-9a-f]+', 'ADDRESS', text)


def test_error_before_the_task_is_the_same(warm, cold):
    seen = []
    for tasks in (warm, cold):
        e = tasks.e
        id, o = e.run(['a0', '--nonsense'], env=environment(tasks.store), python=True)
        seen.append((o['exit_code'], e.log(id)))
        env = environment(tasks.store)
        del env['_U_ORG_NAME']
        id, o = e.run(a0(tasks.store, 's3://tern/none', 'x'), env=env, python=True)
        seen.append((o['exit_code'], e.log(id).splitlines()[-1]))
    assert seen[:2] == seen[2:]
    assert seen[0][0] == 2 and seen[1][0] == 1


@pytest.mark.parametrize('more', [{'PYTHONHASHSEED': '1'}, {'LOG_LEVEL': '10'}, {'FSSPEC_FILE_AUTO_MKDIR': '1'}, {'TZ': 'Asia/Tokyo'},
                                  {'LD_BIND_NOW': '1'}])
def test_other_variables_at_import_run_cold(warm, more):
    code = {'user.py': TEMPLATE % 'import os; print("pool" if b"zygote.py" in open("/proc/self/cmdline", "rb").read() else "alone",'
                                  ' {k: os.environ.get(k) for k in %r})' % list(more)}
    id, o, _ = warm.run(code, env=more)
    assert o['exit_code'] == 0
    assert warm.e.log(id).splitlines()[-1] == 'alone %r' % more


def test_what_is_loaded_before_python_runs_cold(warm):
    """However often: no pool is made for it."""
    code = {'user.py': TEMPLATE % 'print(b"zygote.py" in open("/proc/self/cmdline", "rb").read())'}
    for _ in range(5):
        id, _, _ = warm.run(code, env={'LD_PRELOAD': 'libm.so.6'})
        assert warm.e.log(id).splitlines()[-1] == 'False'


def test_an_ordinary_variable_stays_warm(warm):
    code = {'user.py': TEMPLATE % 'import os; print(b"zygote.py" in open("/proc/self/cmdline", "rb").read(), os.environ["FOO"])'}
    id, _, _ = warm.run(code, env={'FOO': '1'})
    assert warm.e.log(id).splitlines()[-1] == 'True 1'


def test_abort_of_a_warm_task(warm):
    code = {'user.py': TEMPLATE % 'import time, subprocess; print("up", subprocess.Popen(["sleep", "300"]).pid, flush=True); '
                                  'time.sleep(300)'}
    bundle = put_bundle(warm.store, 'long', code)
    id = warm.e.launch(a0(warm.store, bundle, 'long'), env=environment(warm.store), python=True)
    warm.e.wait_state(id, 'RUNNING')
    wait_until(lambda: 'up' in warm.e.log(id))
    child = int(warm.e.log(id).split('up')[1].split()[0])
    warm.e.do('abort', id=id)
    o = warm.e.wait_over(id)
    assert o['aborted'] and o['signal'] == signal.SIGTERM
    wait_until(lambda: not alive(child))


def test_memory_limit_of_a_warm_task(warm):
    code = {'user.py': TEMPLATE % 'b = bytearray(b"x" * (600 << 20)); print("on")'}
    id, o, _ = warm.run(code, memory=200 << 20)
    assert o['oom'] and o['signal'] == signal.SIGKILL
    assert 'on' not in warm.e.log(id).split()


def pool_pids(e):
    """The children of the supervisor that come from the pool, by what they are called."""
    pid, found = e.supervisor_pid(), {}
    for c in pathlib.Path('/proc/%d/task/%d/children' % (pid, pid)).read_text().split():
        at = pathlib.Path('/proc/%s' % c)
        try:
            if b'zygote.py' in (at / 'cmdline').read_bytes():
                found[int(c)] = (at / 'comm').read_text().strip()
        except OSError:
            pass  # it has ended
    return found


def zygote_pids(e):
    """The pool's own processes and tasks, without those that wait for one."""
    standby = standby_pids(e)
    return [p for p, name in pool_pids(e).items() if p not in standby]


def standby_pids(e):
    return [p for p, name in pool_pids(e).items() if name == 'a0-standby']


STANDBYS = min(len(os.sched_getaffinity(0)), 4)


def wait_standby(e):
    wait_until(lambda: len(standby_pids(e)) == STANDBYS, what='the processes that wait for a task')
    return standby_pids(e)


def groups_of(pid):
    """The cgroups of a process that are ours."""
    lines = pathlib.Path('/proc/%s/cgroup' % pid).read_text().splitlines()
    return {line.split(':')[1]: line.split(':')[2] for line in lines if '/tern-' in line}


def test_the_pool_is_killed_under_a_task(warm):
    code = {'user.py': TEMPLATE % 'import time\n    print("up", flush=True)\n    import os\n'
                                  '    while not os.path.exists(os.environ["GO"]): time.sleep(0.02)'}
    bundle = put_bundle(warm.store, 'long', code)
    go = warm.data / ('go-%d' % time.monotonic_ns())
    id = warm.e.launch(a0(warm.store, bundle, 'long'), env=environment(warm.store, GO=str(go)), python=True)
    warm.e.wait_state(id, 'RUNNING')
    wait_until(lambda: 'up' in warm.e.log(id))
    # The task is a child of the supervisor, not of the process it was forked from.
    task = [p for p in zygote_pids(warm.e) if pathlib.Path('/proc/%d/comm' % p).read_text() == 'a0\n']
    assert len(task) == 1
    for pid in set(zygote_pids(warm.e)) - set(task):
        os.kill(pid, signal.SIGKILL)
    go.touch()
    o = warm.e.wait_over(id)
    assert (o['state'], o['exit_code']) == ('EXITED', 0)
    warm.warm_up()


def test_a_stopped_pool_does_not_hold_up_a_task(warm):
    pids = zygote_pids(warm.e)
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGSTOP)
    id, o, result = warm.run({'user.py': TEMPLATE % 'print("ran")'})
    assert o['exit_code'] == 0 and 'ran' in warm.e.log(id)


def test_a_task_takes_the_process_that_waits(warm):
    waiting = wait_standby(warm.e)
    show = 'import os; print("pid", os.getpid(), os.getcwd(), os.environ["FOO"], open("/proc/self/comm").read())'
    code = {'user.py': TEMPLATE % show}
    id, o, _ = warm.run(code, env={'FOO': 'here'})
    [words] = [line.split() for line in warm.e.log(id).splitlines() if line.startswith('pid ')]
    assert o['exit_code'] == 0 and int(words[1]) in waiting and words[3:] == ['here', 'a0']
    assert words[2].startswith(str(warm.data))
    left = wait_standby(warm.e)
    assert int(words[1]) not in left and set(left) & set(waiting) == set(waiting) - {int(words[1])}


def test_each_process_that_waits_has_its_group(warm):
    """It brings its group along to its task; both are gone with it."""
    groups = {pid: groups_of(pid) for pid in wait_standby(warm.e)}
    if not all(groups.values()):
        pytest.skip('no cgroups here')
    assert len({tuple(g.values()) for g in groups.values()}) == STANDBYS
    show = 'import os; print("pid", os.getpid()); print(open("/proc/self/cgroup").read())'
    id, o, _ = warm.run({'user.py': TEMPLATE % show}, memory=300 << 20)
    text = warm.e.log(id)
    [pid] = [int(line.split()[1]) for line in text.splitlines() if line.startswith('pid ')]
    assert all(group in text for group in groups[pid].values())
    assert o['exit_code'] == 0
    wait_until(lambda: not list(pathlib.Path('/sys/fs/cgroup').rglob('warm-%d' % pid)), what='the end of the group')


def test_the_process_that_waits_is_killed(warm):
    for waiting in wait_standby(warm.e):
        os.kill(waiting, signal.SIGKILL)
    id, o, result = warm.run({'user.py': TEMPLATE % 'print("ran")'})
    assert o['exit_code'] == 0 and 'ran' in warm.e.log(id) and 'outputs.pb' in result


def test_the_process_that_waits_ends_with_the_pool(warm):
    waiting = wait_standby(warm.e)
    for pid in zygote_pids(warm.e):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, waiting)), what='the end of the processes that wait')
    warm.warm_up()


def test_a_changed_environment_ends_the_pool(execd, venv, store, data, tmp_path):
    """A package is installed while the pool is up: tasks see it, cold or from a new pool."""
    copy = tmp_path / 'venv'
    shutil.copytree(venv, copy, symlinks=True)
    script = copy / 'bin' / 'a0'
    script.write_text(script.read_text().replace(str(venv), str(copy)))
    tasks = Tasks(execd(python=copy, warm='yes'), store, data)
    tasks.warm_up()
    package = next((copy / 'lib').glob('python3*')) / 'site-packages' / 'tern_test_package.py'
    package.write_text('VALUE = 17\n')
    id, o, _ = tasks.run({'user.py': TEMPLATE % 'import tern_test_package; print(tern_test_package.VALUE)'})
    assert o['exit_code'] == 0 and '17' in tasks.e.log(id).split()
    tasks.warm_up()


def test_switched_off(cold):
    for _ in range(2):
        cold.run({'user.py': TEMPLATE % 'pass'})
    assert zygote_pids(cold.e) == []


def test_warm_is_faster(warm, cold):
    """Not a timed assertion: the CPU that a task costs, warm against cold, in the same run."""
    used = {}
    for name, tasks in (('warm', warm), ('cold', cold)):
        used[name] = sorted(tasks.run({'user.py': TEMPLATE % 'pass'})[1]['cpu_ns'] for _ in range(5))[2] / 1e6
    print('CPU ms of a no-op task: %s' % used)
    assert used['warm'] < used['cold'] / 2


def test_many_warm_tasks(warm):
    bundle = put_bundle(warm.store, 'many', {'user.py': TEMPLATE % 'print("done")'})
    start = time.monotonic()
    ids = [warm.e.launch(a0(warm.store, bundle, 'm%d' % i), env=environment(warm.store), python=True) for i in range(30)]
    for id in ids:
        o = warm.e.wait_over(id, timeout=120)
        assert (o['state'], o['exit_code']) == ('EXITED', 0)
        assert 'done' in warm.e.log(id)
    print('30 warm tasks in %.1f s' % (time.monotonic() - start))
    assert len(zygote_pids(warm.e)) == 1


def test_supervisor_killed_warm_tasks_go_on(warm):
    code = {'user.py': TEMPLATE % 'import time\n    print("up", flush=True)\n    import os\n'
                                  '    while not os.path.exists(os.environ["GO"]): time.sleep(0.02)'}
    bundle = put_bundle(warm.store, 'long', code)
    go = warm.data / ('go-%d' % time.monotonic_ns())
    id = warm.e.launch(a0(warm.store, bundle, 'long'), env=environment(warm.store, GO=str(go)), python=True)
    warm.e.wait_state(id, 'RUNNING')
    wait_until(lambda: 'up' in warm.e.log(id))
    old = zygote_pids(warm.e)
    os.kill(warm.e.supervisor_pid(), signal.SIGKILL)
    warm.e.run(['/bin/true'])
    go.touch()
    o = warm.e.wait_over(id)
    assert o['state'] in ('EXITED', 'LOST')
    assert '/tern/out/long/outputs.pb' in warm.store.files
    wait_until(lambda: not any(alive(p) for p in old), what='the end of the old pool')


def test_an_import_sets_a_context_variable(execd, venv, store, data, tmp_path):
    """The pool's main thread has its context before it forks: what a task puts into it is freed as in a cold process. And not all
    that a package puts among the modules is a module."""
    copy = tmp_path / 'venv'
    shutil.copytree(venv, copy, symlinks=True)
    script = copy / 'bin' / 'a0'
    script.write_text(script.read_text().replace(str(venv), str(copy)))
    models = next((copy / 'lib').glob('python3*')) / 'site-packages' / 'flyte' / 'models.py'
    models.write_text(models.read_text() + '\nimport contextvars as _c\n_AT_IMPORT = _c.ContextVar("at")\n_AT_IMPORT.set(1)\n'
                      'import sys as _s\n_s.modules["tern_odd.lib"] = type("Lib", (), {"__slots__": ()})()\n')
    head, mark, tail = (TEMPLATE % 'print("warm" if b"zygote.py" in open("/proc/self/cmdline", "rb").read() else "cold")'
                        ).partition('@env.task')
    tasks = Tasks(execd(python=copy, warm='yes'), store, data)
    tasks.warm_up()
    id, o, _ = tasks.run({'user.py': head + LEFT['open files in contexts'] + mark + tail})
    text = tasks.e.log(id).splitlines()
    assert o['exit_code'] == 0 and 'warm' in text and 'in the main context' in text, text


def test_broken_environment_falls_back(execd, venv, store, data, tmp_path):
    """An environment whose imports start a thread: cold, said once in the log, and its tasks run."""
    copy = tmp_path / 'venv'
    shutil.copytree(venv, copy, symlinks=True)
    script = copy / 'bin' / 'a0'
    script.write_text(script.read_text().replace(str(venv), str(copy)))
    models = next((copy / 'lib').glob('python3*')) / 'site-packages' / 'flyte' / 'models.py'
    models.write_text(models.read_text() + '\nimport threading as _t\n_t.Thread(target=print, name="odd", daemon=True).start()\n')
    tasks = Tasks(execd(python=copy, warm='yes'), store, data)
    for _ in range(3):
        id, o, _ = tasks.run({'user.py': TEMPLATE % 'print("ran")'})
        assert o['exit_code'] == 0 and 'ran' in tasks.e.log(id)
        tasks.wait_ready()
    log = (data / 'log' / 'supervisor.log').read_text()
    assert log.count('no warm Python') == 1 and 'thread odd' in log
