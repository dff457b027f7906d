"""A Tern, the SDK as its client, a witness file, and ways to end each of Tern's processes."""
import os
import pathlib
import signal
import subprocess
import threading

import harness
from waiting import wait_until

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id")
WAIT_S = 240


def eventually(what, condition, wait_s=60):
    """condition() until it is true; its value."""
    return wait_until(condition, what, wait_s)


def read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def stat_fields(pid):
    """Of /proc/PID/stat, behind the name: state, parent, group..."""
    text = read(f"/proc/{pid}/stat").decode(errors="replace")
    return text.rpartition(")")[2].split()


def alive(pid):
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def kill(pid, wait=True):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    if wait:
        eventually(f"end of {pid}", lambda: not alive(pid))


class World(harness.Tern):
    def __init__(self, folder, args=(), env=None, **options):
        super().__init__(folder, args=["--log.level", "info", *args], env=env, **options)
        self.witness = self.folder / "witness"
        self.keeper = None
        self.task_env = {}  # of the tasks, besides the witness

    # ---- life ------------------------------------------------------------------------------------------------------

    def connect(self):
        """The SDK of this process talks to this server."""
        self.write_client_config(os.environ["HOME"])
        return super().connect(PROGRAMS)

    def start_with_fault(self, fault):
        """The faults are those of this start alone."""
        self.extra_env["TERN_FAULT"] = fault
        try:
            self.start(listen=self.endpoint or "localhost:0")
        finally:
            del self.extra_env["TERN_FAULT"]

    def keep(self):
        """Starts the server again, without faults, as soon as it has ended."""
        self.keeper = Keeper(self)
        return self.keeper

    def finish(self):
        if self.keeper:
            self.keeper.stop()
        try:
            super().finish()
        finally:
            for pid in self.processes():
                kill(pid, wait=False)

    # ---- processes -------------------------------------------------------------------------------------------------

    def processes(self):
        """Every process that names the folder: its arguments, environment or working directory."""
        mark, found = str(self.folder).encode(), []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                place = os.readlink(entry / "cwd").encode()
            except OSError:
                place = b""
            if mark in place or mark in read(entry / "cmdline") or mark in read(entry / "environ"):
                if alive(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def command_pid(self, command):
        """Of the process that runs `tern COMMAND`, None when there is none."""
        for pid in self.processes():
            if read(f"/proc/{pid}/cmdline").split(b"\0")[1:2] == [command]:
                return pid
        return None

    def s3_pid(self):
        return self.command_pid(b"s3")

    def supervisor_pid(self):
        return self.command_pid(b"supervise")

    def zygotes(self):
        """Children of the supervisor that are neither the S3 endpoint nor an attempt."""
        attempts = {int(line[3]) for line in self.lines()}
        boss = str(self.supervisor_pid())
        return [pid for pid in self.processes()
                if stat_fields(pid)[1:2] == [boss] and pid != self.s3_pid() and pid not in attempts]

    # ---- runs ------------------------------------------------------------------------------------------------------

    def submit(self, task, **inputs):
        flyte = self.connect()
        return flyte.with_runcontext(env_vars={"WITNESS": str(self.witness), **self.task_env}).run(task, **inputs)

    def submit_later(self, task, **inputs):
        """The same in a thread: what the server does to it is the test. result() gives the run or raises."""
        return Later(lambda: self.submit(task, **inputs))

    def lines(self, what=None):
        found = [line.split() for line in self.witness.read_text().splitlines()] if self.witness.exists() else []
        return [line for line in found if what in (None, line[0])]

    def wait_lines(self, what, n, wait_s=WAIT_S):
        return eventually(f"{n} lines of {what}", lambda: len(self.lines(what)) >= n and self.lines(what), wait_s)

    def attempts(self):
        """action -> the attempts that really ran."""
        ran = {}
        for what, action, attempt, *_ in self.lines():
            if what in ("leaf", "parent"):
                ran.setdefault(action, []).append(int(attempt))
        return ran

    def assert_witness(self):
        """Every line was written here, in this boot, and each attempt is a process of its own."""
        boot, lines = BOOT.read_text().strip(), [x for x in self.lines() if x[0] in ("leaf", "parent")]
        assert {x[4] for x in lines} == {boot}
        assert len({x[3] for x in lines}) == len(lines), "one process ran two attempts"

    def actions(self, name):
        """name -> (phase, attempts) as the API tells."""
        from flyte.remote import Action

        return {a.name: (str(a.phase).rsplit(".", 1)[-1].lower(), a.pb2.status.attempts)
                for a in Action.listall(for_run_name=name)}

    def wait_end(self, name, wait_s=WAIT_S):
        from flyte.remote import Run

        def ended():
            try:
                r = Run.get(name=name)
            except Exception as e:  # no server at the moment
                if not is_unavailable(e):
                    raise
                return None
            return r if r.done() else None

        return eventually(f"end of run {name}", ended, wait_s)

    def assert_value(self, r, value):
        done = self.wait_end(r.name)
        phase = str(done.phase).rsplit(".", 1)[-1].lower()
        error = done.details().action_details.pb2.error_info.message
        assert phase == "succeeded", f"{phase}: {error}: {self.actions(r.name)}\n{self.tail()}"
        got = done.outputs()[0]
        assert got == value, f"{got} instead of {value}"

    def assert_succeeded(self, r, n, attempts=None, unknown=False):
        """The run ended well, every action ran as often as the API says (attempts: {action: how often}, else once).

        unknown: an attempt may have ended before its task was let run. Still every action ran once, in the attempt that
        the API tells last."""
        self.assert_value(r, sum(range(n)))
        actions = self.actions(r.name)
        assert len(actions) == n + 1, actions
        assert {p for p, _ in actions.values()} == {"succeeded"}, actions
        ran = self.attempts()
        self.assert_witness()
        assert sorted({int(line[5]) for line in self.lines("leaf")}) == list(range(n))
        for action, (_, told) in actions.items():
            if unknown:
                assert ran.get(action) == [told - 1], f"{action} ran as {ran.get(action)}, the API says {told} attempts"
                continue
            times = (attempts or {}).get(action, 1)
            assert ran.get(action) == list(range(times)), f"{action} ran as attempts {ran.get(action)}, not {times}"
            assert told == times, f"{action}: the API says {told} attempts, {times} ran"


def is_unavailable(e):
    text = f"{type(e).__name__} {e}".lower()
    return any(word in text for word in ("unavailable", "connect", "refused", "reset"))


class Later:
    def __init__(self, call):
        self.call, self.value, self.error = call, None, None
        self.thread = threading.Thread(target=self.go, daemon=True)
        self.thread.start()

    def go(self):
        try:
            self.value = self.call()
        except BaseException as e:  # told by result()
            self.error = e

    def result(self, wait_s=WAIT_S):
        self.thread.join(wait_s)
        assert not self.thread.is_alive(), "still waiting"
        if self.error:
            raise self.error
        return self.value


class Meanwhile:
    """Somebody who calls again and again as long as the block lasts: each call must succeed."""

    def __init__(self, call):
        self.call, self.count, self.stopping, self.error = call, 0, False, None
        self.thread = threading.Thread(target=self.go, daemon=True)

    def go(self):
        try:
            while not self.stopping:
                self.call()
                self.count += 1
        except BaseException as e:  # told by served()
            self.error = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(WAIT_S)
        assert not self.error, f"not served after {self.count} calls: {self.error!r}"
        assert not self.thread.is_alive()

    def served(self):
        """Until one more call, begun from now on, is answered."""
        seen = self.count
        eventually("an answer to others", lambda: self.error or self.count > seen + 1)


class Keeper:
    def __init__(self, w):
        self.world, self.ended, self.stopping = w, [], False
        self.thread = threading.Thread(target=self.go, daemon=True)
        self.thread.start()

    def go(self):
        while not self.stopping:
            process = self.world.process
            try:
                status = process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            if self.stopping:
                return
            self.ended.append(status)
            self.world.restart()

    def stop(self):
        self.stopping = True
        self.thread.join(30)
