"""kill -9 of the server's side, of the supervisor, of both: nothing is lost, nothing runs twice."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading

import pytest
from conftest import BUILD, alive, supervisor_pid
from waiting import wait_until
from test_process import sh


def witness(data, name='w'):
    """A task that notes its start, waits for a file, and ends with 5."""
    return sh('echo $$ >> {0}/{1}; echo up; while [ ! -e {0}/go ]; do sleep 0.02; done; echo down; exit 5'.format(data, name))


def started(data, name='w'):
    path = data / name
    wait_until(lambda: path.exists() and path.read_text().strip(), what='the start of the task')
    return int(path.read_text().split()[0])


def test_server_killed_task_goes_on(execd, data):
    e = execd()
    e.launch(witness(data), id=1, cpu=1500)
    started(data)
    super_pid = e.supervisor_pid()
    e.kill()
    e = execd()
    assert e.supervisor_pid() == super_pid
    assert e.do('list')['keys'] == [[1, 1]]
    assert e.see(1)['state'] == 'RUNNING'
    (data / 'go').touch()
    assert e.wait_over(1)['exit_code'] == 5
    assert len((data / 'w').read_text().split()) == 1


def test_task_ends_without_a_server(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    pid = started(data)
    e.kill()
    (data / 'go').touch()
    wait_until(lambda: not alive(pid), what='the end of the task')
    e = execd()
    o = e.wait_over(1)
    assert (o['state'], o['exit_code']) == ('EXITED', 5)
    assert e.log(1) == 'up\ndown\n'


def test_launch_again_after_restart_runs_once(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    started(data)
    e.kill()
    e = execd()
    e.launch(witness(data), id=1)
    (data / 'go').touch()
    assert e.wait_over(1)['exit_code'] == 5
    assert len((data / 'w').read_text().split()) == 1


def test_supervisor_killed_task_is_adopted(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    pid = started(data)
    old = e.supervisor_pid()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: e.supervisor_pid() not in (None, old), what='a new supervisor')
    # The new one starts tasks as the old one did: then it has also adopted the first.
    _, o = e.run(sh('exit 4'), id=2)
    assert o['exit_code'] == 4
    assert alive(pid) and e.see(1)['state'] == 'RUNNING'
    (data / 'go').touch()
    o = e.wait_over(1)
    # A newer kernel tells how a process has ended that is not our child; else the status is lost.
    assert o['state'] == 'LOST' or (o['state'], o['exit_code']) == ('EXITED', 5)
    print('after the adoption:', o['state'])
    assert e.log(1) == 'up\ndown\n'
    assert len((data / 'w').read_text().split()) == 1


def test_adopted_task_can_be_aborted(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    pid = started(data)
    os.kill(e.supervisor_pid(), signal.SIGKILL)
    e.wait_for(lambda: True if e.see(1)['state'] == 'RUNNING' and supervisor_pid(data) else None)
    e.do('abort', id=1)
    assert e.wait_over(1)['aborted']
    wait_until(lambda: not alive(pid), what='the end of the task')


def test_both_killed(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    pid = started(data)
    super_pid = e.supervisor_pid()
    e.kill()
    os.kill(super_pid, signal.SIGKILL)
    wait_until(lambda: not alive(super_pid))
    e = execd()
    assert alive(pid) and e.see(1)['state'] == 'RUNNING'
    (data / 'go').touch()
    assert e.wait_over(1)['state'] in ('EXITED', 'LOST')


def test_ended_while_nobody_was_there(execd, data):
    e = execd()
    e.launch(witness(data), id=1)
    e.run(sh('exit 6'), id=2)
    pid = started(data)
    super_pid = e.supervisor_pid()
    e.kill()
    os.kill(super_pid, signal.SIGKILL)
    (data / 'go').touch()
    wait_until(lambda: not alive(pid))
    e = execd()
    o = e.wait_over(1)
    # Until its new parent takes note of it, the kernel still knows how it has ended.
    assert o['state'] == 'LOST' or (o['state'], o['exit_code']) == ('EXITED', 5)
    o = e.wait_over(2)
    assert (o['state'], o['exit_code']) == ('EXITED', 6)


def test_everything_killed_and_another_boot(execd, data):
    """A pid of an earlier boot is nobody's: the journal's boot id is another one."""
    e = execd()
    e.launch(sh('sleep 300'), id=1)
    e.wait_state(1, 'RUNNING')
    super_pid = e.supervisor_pid()
    e.kill()
    os.kill(super_pid, signal.SIGKILL)
    wait_until(lambda: not alive(super_pid))
    journal = data / 'run' / 'journal'
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip().encode()
    raw = journal.read_bytes()
    assert boot in raw
    journal.write_bytes(rewrite_record(raw, boot, boot[::-1]))
    e = execd()
    assert e.wait_over(1)['state'] == 'LOST'


def rewrite_record(raw, old, new):
    """The same journal with other bytes inside and the checksums made right."""
    import zlib
    head, at, out = raw[:12], 12, []
    while at < len(raw):
        n, _ = struct.unpack('<II', raw[at:at + 8])
        body = raw[at + 8:at + 8 + n].replace(old, new)
        out.append(struct.pack('<II', len(body), zlib.crc32(body)) + body)
        at += 8 + n
    return head + b''.join(out)


@pytest.mark.parametrize('damage', ['torn', 'flipped', 'empty'])
def test_damaged_journal(execd, data, damage):
    e = execd()
    for i in range(1, 4):
        e.run(sh('exit %d' % i), id=i)
    super_pid = e.supervisor_pid()
    e.kill()
    os.kill(super_pid, signal.SIGKILL)
    wait_until(lambda: not alive(super_pid))
    journal = data / 'run' / 'journal'
    raw = bytearray(journal.read_bytes())
    if damage == 'torn':
        raw = raw[:-7]
    elif damage == 'flipped':
        raw[-5] ^= 0x40
    else:
        raw = raw[:0]
    journal.write_bytes(raw)
    e = execd()
    if damage != 'empty':
        assert e.wait_over(1)['exit_code'] == 1 and e.wait_over(2)['exit_code'] == 2
    _, o = e.run(sh('exit 9'), id=9)
    assert o['exit_code'] == 9


def test_foreign_journal_is_refused(data):
    (data / 'run').mkdir()
    (data / 'run' / 'journal').write_bytes(b'something else entirely')
    p = subprocess.run([BUILD / 'tern', 'supervise', '--data', data], capture_output=True, text=True, timeout=20)
    assert p.returncode == 1 and 'another version' in p.stderr
    assert (data / 'run' / 'journal').read_bytes() == b'something else entirely'


def test_one_supervisor_per_folder(execd, data):
    execd()
    p = subprocess.run([BUILD / 'tern', 'supervise', '--data', data], capture_output=True, text=True, timeout=20)
    assert p.returncode == 1 and 'another supervisor' in p.stderr


def test_supervisor_ends_when_idle(execd, data):
    e = execd(idle_exit=1)
    e.run(sh('true'))
    pid = e.supervisor_pid()
    e.close()
    wait_until(lambda: not alive(pid), what='the end of the idle supervisor')
    assert not (data / 'run' / 'supervisor.sock').exists()


def test_supervisor_does_not_end_while_a_task_runs(execd, data):
    e = execd(idle_exit=1)
    e.launch(witness(data), id=1)
    started(data)
    pid = e.supervisor_pid()
    e.kill()
    with pytest.raises(AssertionError):
        wait_until(lambda: not alive(pid), seconds=2)
    (data / 'go').touch()
    wait_until(lambda: not alive(pid), what='the end of the supervisor')
    e = execd()
    assert e.wait_over(1)['exit_code'] == 5


def test_many_running_tasks_over_both_kills(execd, data):
    e = execd(cpus=20)
    for i in range(1, 21):
        e.launch(witness(data, 'w%d' % i), id=i)
    for i in range(1, 21):
        started(data, 'w%d' % i)
    os.kill(e.supervisor_pid(), signal.SIGKILL)
    e.kill()
    e = execd(cpus=20)
    assert len(e.do('list')['keys']) == 20
    (data / 'go').touch()
    for i in range(1, 21):
        assert e.wait_over(i)['state'] in ('EXITED', 'LOST')
        assert len((data / ('w%d' % i)).read_text().split()) == 1


class Peer:
    """Speaks the supervisor's protocol by hand."""

    def __init__(self, data):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(data / 'run' / 'supervisor.sock'))

    def send(self, kind, *fields):
        body = bytes([kind]) + b''.join(bytes([tag]) + struct.pack('<I', len(v)) + v for tag, v in fields)
        self.socket.sendall(struct.pack('<I', len(body)) + body)

    def exactly(self, n):
        data = b''
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self):
        body = self.exactly(struct.unpack('<I', self.exactly(4))[0])
        fields, at = {}, 1
        while at < len(body):
            tag, n = struct.unpack('<BI', body[at:at + 5])
            fields[tag] = body[at + 5:at + 5 + n]
            at += 5 + n
        return body[0], fields


def test_protocol_skips_what_it_does_not_know(execd, data):
    e = execd()
    peer = Peer(data)
    peer.send(99, (200, b'from the future'))
    peer.send(1, (3, struct.pack('<Q', 1)), (201, b'more'))
    kind, fields = peer.receive()
    assert kind == 32 and struct.unpack('<Q', fields[5])[0] == e.supervisor_pid()


@pytest.mark.parametrize('raw', [b'\xff\xff\xff\x7f', struct.pack('<I', 0), struct.pack('<IBB', 2, 2, 1),
                                 struct.pack('<IBBI', 6, 2, 1, 1 << 30)])
def test_protocol_refuses_nonsense(execd, data, raw):
    e = execd()
    peer = Peer(data)
    peer.socket.sendall(raw + b'\0' * 64)
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            peer.receive()
    _, o = e.run(sh('exit 2'))
    assert o['exit_code'] == 2


class OldSupervisor:
    """A supervisor of another version: answers a welcome and waits to be told to stop."""

    def __init__(self, data, version, running):
        import fcntl
        (data / 'run').mkdir(exist_ok=True)
        self.data, self.got_stop = data, False
        self.lock = open(data / 'run' / 'supervisor.lock', 'w')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(data / 'run' / 'supervisor.sock'))
        self.listener.listen()
        self.answer = (version, running)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            conn, _ = self.listener.accept()
            peer = Peer.__new__(Peer)
            peer.socket = conn
            try:
                while True:
                    kind, _ = peer.receive()
                    if kind == 1:
                        version, running = self.answer
                        peer.send(32, (3, struct.pack('<Q', version)), (4, struct.pack('<Q', version)),
                                  (5, struct.pack('<Q', os.getpid())), (25, struct.pack('<Q', running)), (32, b'old'))
                    elif kind == 5:
                        self.got_stop = True
                        self.listener.close()
                        self.lock.close()
                        conn.close()
                        return
            except (EOFError, OSError):
                conn.close()


def test_idle_supervisor_of_another_version_makes_room(execd, data):
    old = OldSupervisor(data, version=999, running=0)
    e = execd()
    assert old.got_stop
    _, o = e.run(sh('exit 3'))
    assert o['exit_code'] == 3


def test_busy_supervisor_of_another_version_is_kept(data):
    old = OldSupervisor(data, version=999, running=2)
    p = subprocess.run([BUILD / 'test' / 'execd', '--data', data, '--program', BUILD / 'tern'], capture_output=True, text=True,
                       timeout=30, stdin=subprocess.DEVNULL)
    assert p.returncode == 1
    assert 'another version' in p.stderr and '2 tasks' in p.stderr and 'tern stop --tasks' in p.stderr
    assert not old.got_stop
    old.lock.close()


def test_full_disk_for_the_journal(data, tmp_path):
    """Nothing is started that cannot be journalled; ends are told once they are written."""
    if os.geteuid() != 0:
        pytest.skip('needs root for a small file system')
    small = tmp_path / 'small'
    small.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small], check=True)
    from conftest import Execd
    e = Execd(small / 'data')
    try:
        e.wait_ready()
        e.launch(sh('while [ ! -e %s/go ]; do sleep 0.02; done; exit 5' % data), id=1)
        e.wait_state(1, 'RUNNING')
        with pytest.raises(OSError), open(small / 'fill', 'wb', buffering=0) as f:
            while f.write(b'x' * 4096):
                pass
        seen = set()
        for i in range(2, 10):
            e.launch(sh('echo x >> %s/witness-%d' % (data, i)), id=i)
            try:
                seen.add(e.wait_over(i, timeout=1)['state'])
            except AssertionError:
                seen.add('waits')  # it has ended, but that cannot be written yet: so it is not told
            if 'REFUSED' in seen:
                break
        assert 'REFUSED' in seen or 'waits' in seen
        (small / 'fill').unlink()
        (data / 'go').touch()
        assert e.wait_over(1)['exit_code'] == 5
        for k in range(2, i + 1):
            o, ran = e.wait_over(k), (data / ('witness-%d' % k)).exists()
            assert (o['state'], ran) in (('EXITED', True), ('REFUSED', False)), o
            assert o['state'] == 'EXITED' or o['system']
        _, o = e.run(sh('exit 8'), id=1000)
        assert o['exit_code'] == 8
    finally:
        e.close()
        pid = supervisor_pid(small / 'data')
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not alive(pid))
        subprocess.run(['umount', small], check=True)
