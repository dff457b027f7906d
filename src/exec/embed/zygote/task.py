"""A process that becomes a task, once it has its order."""
import os
import sys

from zygote import ARGV
from zygote.stock import STOCK


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


def reseed():
    """The random module does it by itself after a fork; numpy, where a cold a0 has it loaded, does not."""
    numpy_random = sys.modules.get('numpy.random')
    if numpy_random is not None:
        numpy_random.seed()


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
                           __annotations__={}, __builtins__=sys.modules['builtins'], __file__=a0, __cached__=None)
    sys.modules['__main__'] = module
    return module.__dict__
