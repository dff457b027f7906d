"""Takes the requests of the supervisor: each is given to a standby, or to a new process."""
import os
import sys

from zygote.stock import do_ahead
from zygote.task import announce, discard, enter_groups, fork_task, new_main, receive, set_name, take_order, wait_at_gate

STANDBY_AFTER_S = 0.02  # without a request: the task that was just let go comes first
STANDBYS = min(len(os.sched_getaffinity(0)), 4)


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
