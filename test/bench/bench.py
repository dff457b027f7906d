"""make bench: every number that Tern promises, measured on a server of its own, with the command that gives it.

    bench.py [--build build] [ROW ...]       rows: see ROWS; none = all
    BENCH_RUNS=5    runs of each row; the median counts
    BENCH_QUICK=1   one short run of each
    BENCH_SUSTAINED_S=60  seconds that the rows parents, webhooks and hour take in sum, without their beginnings and ends
    BENCH_VENV=DIR  a Python environment with the flyte SDK, for the rows of tasks (default: .venv)

What is counted must have happened: runs have to succeed, and to be there after kill -9 and a restart. The raw output of
every run is kept in BUILD/bench/raw-TIME.jsonl. Exit status 1 when a row misses what was asked, or fails. Needs only the
standard library. The tool, the server and whatever else the machine does share its processors: the load average is printed
with the table.
"""
import argparse
import asyncio
import concurrent.futures
import functools
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
RUNS = 1 if QUICK else int(os.environ.get("BENCH_RUNS", "5"))
SUSTAINED_S = 6 if QUICK else int(os.environ.get("BENCH_SUSTAINED_S", "60"))
SUCCEEDED, ABORTED = 5, 7
FIRST_PORT_WAIT_S = 20


class Server:
    """tern serve on a data folder; the supervisor belongs to it."""

    def __init__(self, binary, folder, env=None):
        self.binary, self.folder = binary, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data, self.home = self.folder / "data", self.folder / "home"
        self.home.mkdir(exist_ok=True)
        self.extra = dict(env or {})
        self.process = self.endpoint = None

    def env(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("TERN_", "FLYTE_", "AWS_", "XDG_"))}
        venv = sdk_python()
        env.update(HOME=str(self.home), **({"VIRTUAL_ENV": str(venv.parents[1])} if venv else {}))
        return {**env, **self.extra}

    def spawn(self, listen):
        self.ready = self.folder / "ready"
        self.ready.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--listen", listen, "--data", self.data, "--ready-file", self.ready],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env(), cwd=self.folder)

    def start(self, listen="localhost:0"):
        self.spawn(listen)
        end = time.monotonic() + FIRST_PORT_WAIT_S
        while not (self.ready.exists() and self.ready.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.005)
        self.endpoint = self.ready.read_text().strip()
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def kill_all(self):
        """The server, the supervisor and the S3 endpoint."""
        for pid in self.processes().values():
            os.kill(pid, signal.SIGKILL)
        self.kill()

    def stop(self):
        subprocess.run([self.binary, "stop", "--tasks", "--data", self.data], env=self.env(), capture_output=True)
        if self.process:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def call(self, method, message, service="flyteidl2.workflow.RunService"):
        host, port = self.endpoint.rsplit(":", 1)
        c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        c.request("POST", f"/{service}/{method}", json.dumps(message),
                  {"content-type": "application/json", "host": self.endpoint})
        r = c.getresponse()
        body = json.loads(r.read())
        c.close()
        if r.status != 200:
            raise RuntimeError(f"{method}: {r.status} {body}")
        return body

    def processes(self):
        """What runs (serve, supervise, s3 ...) -> pid, of every Tern process of the folder. The warm pool is Python."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                args = (entry / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(self.data) in args and os.path.samefile(entry / "exe", self.binary):
                    found[args[1].decode()] = int(entry.name)
            except OSError:
                continue  # it has ended, or is somebody else's
        return found

    def memory(self):
        """What runs -> KiB that are resident in it, and KiB of all together: a page that they share counts once."""
        found = self.processes()
        absent = {"serve", "supervise", "s3"} - set(found)
        if absent:
            raise RuntimeError(f"no process of {self.data} runs {', '.join(sorted(absent))}")
        pages = {what: resident_pages(pid) for what, pid in found.items()}
        kib = len(set().union(*pages.values())) * PAGE_KIB if os.geteuid() == 0 else sum(map(proportional_kib, found.values()))
        return {what: len(p) * PAGE_KIB for what, p in pages.items()}, kib

    def query(self, sql):
        with sqlite3.connect(f"file:{self.data / 'tern.db'}?mode=ro", uri=True) as db:
            return db.execute(sql).fetchall()


PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def resident_pages(pid):
    """Of each page of memory that is in the process its number, which the kernel tells only to root."""
    pages = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for line in maps:
            begin, end = (int(x, 16) // (PAGE_KIB * 1024) for x in line.split()[0].split("-"))
            if line.rstrip().endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                continue
            pagemap.seek(begin * 8)
            for at, (entry,) in enumerate(struct.iter_unpack("<Q", pagemap.read((end - begin) * 8))):
                if entry >> 63:
                    pages.add(entry & ((1 << 55) - 1) or (pid, begin + at))
    return pages


def proportional_kib(pid):
    """What others than root can have: of a page that is in n processes, also of other programs, one nth."""
    return int(re.search(r"^Pss:\s*(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])


def sdk_python():
    for at in (os.environ.get("BENCH_VENV"), ROOT / ".venv", os.environ.get("VIRTUAL_ENV")):
        if at and list(pathlib.Path(at).glob("lib/python3*/site-packages/flyte")):
            return pathlib.Path(at) / "bin" / "python"
    return None


class Bench:
    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.out = self.build / "bench"
        self.binary = self.build / "tern"
        self.raw = open(self.out / time.strftime("raw-%Y%m%d-%H%M%S.jsonl"), "w")
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=self.out))
        self.servers, self.table, self.failures = [], [], []

    def server(self, name, **options):
        s = Server(self.binary, self.work / name, **options)
        self.servers.append(s)
        return s.start()

    def keep(self, row, **fields):
        self.raw.write(json.dumps({"row": row, "time": time.time(), "load": os.getloadavg()[0], **fields}) + "\n")
        self.raw.flush()

    def load(self, server, row, op, *args):
        command = [self.build / "bench" / "load", "--target", server.endpoint, "--op", op, "--pid",
                   server.process.pid, "--seed", f"{time.monotonic_ns() % 10**9:x}", *args]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=590 + SUSTAINED_S)
        if done.returncode:
            raise RuntimeError(f"{op}: {done.stderr.strip()}")
        out = json.loads(done.stdout)
        self.keep(row, **out)
        return out

    def say(self, what, value, asked, good, command):
        self.table.append((what, value, asked, good, command))
        print(f"  {'ok ' if good else 'NO ' if good is not None else '-  '} {what}: {value}  (asked: {asked})", flush=True)

    def close(self):
        for s in self.servers:
            s.stop()
        self.raw.close()
        shutil.rmtree(self.work, ignore_errors=True)


def median(values):
    return statistics.median(values)


def command(op, *args):
    return f"load --op {op} " + " ".join(map(str, args))


# ---- starting --------------------------------------------------------------------------------------------------------

def first_answer_ms(server, listen):
    """From exec to the first ListRuns that is answered."""
    port = int(listen.rsplit(":", 1)[1])
    body = json.dumps({"projectId": {"name": "flytesnacks", "domain": "development"}})
    request = (f"POST /flyteidl2.workflow.RunService/ListRuns HTTP/1.1\r\nhost: {listen}\r\nconnection: close\r\n"
               f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()
    begin = time.perf_counter()
    server.spawn(listen)
    while time.perf_counter() - begin < 30:
        with socket.socket() as s:
            s.settimeout(30)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                s.sendall(request)
                answer = s.recv(200)
                if b" 200 " in answer.split(b"\r\n")[0]:
                    server.endpoint = listen
                    return (time.perf_counter() - begin) * 1e3
        time.sleep(0.0005)
    raise RuntimeError("no answer in 30 s")


# 64 MiB of changes that are in the log alone when the process is killed; the rows are as they were.
FILL_LOG = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA wal_autocheckpoint=0")
db.execute("PRAGMA cache_size=-20000")
wal = sys.argv[1] + "-wal"
low, step = 0, 20000
db.execute("CREATE TABLE IF NOT EXISTS bench_fill (id INTEGER PRIMARY KEY, x BLOB)")
while os.path.getsize(wal) < 64 << 20:
    db.execute("INSERT OR REPLACE INTO bench_fill WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
               " SELECT i, randomblob(3500) FROM n")
db.execute("DROP TABLE bench_fill")
os._exit(0)
"""


def start_row(b, row, name, server, most_ms, what):
    listen = server.endpoint
    times = []
    for _ in range(RUNS):
        server.kill()
        subprocess.run([sys.executable, "-c", FILL_LOG, str(server.data / "tern.db")], check=True)
        times.append(first_answer_ms(server, listen))
        b.keep(row, what=name, ms=times[-1], wal_bytes=os.path.getsize(server.data / "tern.db-wal"))
    b.say(what, f"{median(times):.0f} ms", f"{most_ms} ms", median(times) <= most_ms, f"bench.py {row}")


def fill_actions(path, runs, each, first):
    """Ended runs with `each` children, straight into a stopped server's database, copied from a run that is there."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("PRAGMA cache_size=-200000")
    db.execute("BEGIN")

    def columns(table, skip):
        return [c[1] for c in db.execute(f"PRAGMA table_info({table})") if c[1] not in skip]
    run_cols = ",".join(columns("run", ("id", "name", "change")))
    act_cols = ",".join(columns("action", ("id", "run_id", "parent_id", "seq", "depth", "name")))
    run, = db.execute("SELECT min(id) FROM run").fetchone()
    for n in range(first, first + runs):
        db.execute(f"INSERT INTO run (id, name, change, {run_cols})"
                   f" SELECT ?, ?, (SELECT max(change)+1 FROM run), {run_cols} FROM run WHERE id=?", (n, f"big{n}", run))
        db.execute(f"""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < ?)
            INSERT INTO action (id, run_id, parent_id, seq, depth, name, {act_cols})
            SELECT (? << 24) + i + ?, ?, CASE WHEN i THEN (? << 24) + ? END, i+1, i > 0,
                   CASE WHEN i THEN 'c' || i ELSE 'a0' END, {act_cols}
            FROM n, (SELECT * FROM action WHERE id = ? << 24)""",
                   (each - 1, n, db.execute("SELECT min(id) & 16777215 FROM action").fetchone()[0], n, n, 0, run))
        if each > 1:
            db.execute("INSERT INTO subtree (action_id, n5) VALUES (? << 24, ?)", (n, each - 1))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def row_start(b):
    server = b.server("start")
    start_row(b, "start", "empty", server, 50, "start after kill -9 with a 64 MiB WAL, empty")
    server.stop()


# Two medians of 100 calls each of the same thing differ by less on a machine that does other work; reading as little as a
# tenth of the 1,000 times as many rows would cost far more.
NO_SLOWER = 1.5


def row_million(b):
    """1,000,000 actions, one run of 100,000 and one of 100 among them: start, a page, a watch."""
    server = b.server("million")
    b.load(server, "million", "create", "--count", 1)
    time.sleep(0.3)
    listen = server.endpoint
    server.kill()
    path = server.data / "tern.db"
    fill_actions(path, 1, 100_000, 10)
    fill_actions(path, 1, 100, 11)
    fill_actions(path, 899, 1000, 12)
    server.start(listen)
    count = server.query("SELECT count(*) FROM action")[0][0]
    start_row(b, "million", "million", server, 150, f"start after kill -9 with a 64 MiB WAL, {count:,} actions")
    for op, what in (("list-actions", "listing a page of 100"), ("open-watch", "opening a watch")):
        raw = {"big10": [], "big11": []}
        for _ in range(RUNS):  # by turns: what is asked first is asked of a server that has just started
            for name in raw:
                args = ("--connections", 1, "--count", 100, "--run", name)
                raw[name].append(b.load(server, "million", op, *args)["p50_ms"])
        got = {name: median(values) for name, values in raw.items()}
        ratio = median([big / small for big, small in zip(raw["big10"], raw["big11"])])
        b.say(f"run of 100,000 actions: {what}", f"{got['big10']:.2f} ms (of 100 actions: {got['big11']:.2f} ms), {ratio:.2f} times",
              f"5 ms, {NO_SLOWER} times", got["big10"] <= 5 and ratio <= NO_SLOWER, command(op, *args))
    server.stop()


def fill_runs(path, count):
    """Runs of one project, a second apart, copied from a run that is there: 1 in 50 failed, 1 in 997 running, 1 in 10 with
    a label and 1 in 100,000 with another."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("PRAGMA cache_size=-200000")
    db.execute("BEGIN")

    def columns(table, skip):
        return ",".join(c[1] for c in db.execute(f"PRAGMA table_info({table})") if c[1] not in skip)
    run_cols = columns("run", ("id", "name", "change", "phase", "created_ns"))
    act_cols = columns("action", ("id", "run_id", "phase", "created_ns", "ended_ns", "updated_ns"))
    run, = db.execute("SELECT max(id) FROM run").fetchone()
    change, = db.execute("SELECT max(change) FROM run").fetchone()
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {count})"
    phase = "CASE WHEN i % 50 = 0 THEN 6 WHEN i % 997 = 0 THEN 4 ELSE 5 END"
    at = f"{time.time_ns()} - ({count} - i) * 1000000000"
    db.execute(f"{numbers} INSERT INTO run (id, name, change, phase, created_ns, {run_cols})"
               f" SELECT {run} + i, 'list' || i, {change} + i, {phase}, {at}, {run_cols}"
               f" FROM n, (SELECT * FROM run WHERE id={run})")
    db.execute(f"{numbers} INSERT INTO action (id, run_id, phase, created_ns, ended_ns, updated_ns, {act_cols})"
               f" SELECT ({run} + i) << 24, {run} + i, {phase}, {at}, CASE WHEN {phase} = 4 THEN NULL ELSE {at} + 500000000 END,"
               f" {at} + 500000000,"
               f" {act_cols} FROM n, (SELECT * FROM action WHERE id={run} << 24)")
    for every, key in ((10, "team"), (100_000, "rare")):
        db.execute(f"INSERT INTO run_label (run_id, key, value, created_ns)"
                   f" SELECT id, '{key}', 'yes', created_ns FROM run WHERE id > {run} AND id % {every} = 7")
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def one_filter(field, function, *values):
    return {"filters": [{"field": field, "function": function, "values": list(values)}]}


def lists(task):
    """What the SDK, its CLI and its TUI ask ListRuns for, about runs of that task."""
    earlier, recent = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - s)) for s in (5e5, 5e2))
    return {
        "all": {}, "phase =": one_filter("phase", "EQUAL", "6"), "phase in": one_filter("phase", "VALUE_IN", "4", "6"),
        "phase in, none": one_filter("phase", "VALUE_IN", "1", "2", "3"),
        "task_name": one_filter("task_name", "EQUAL", task), "task_name, none": one_filter("task_name", "EQUAL", "x"),
        "task_version": one_filter("task_version", "EQUAL", "v1"),
        "task_version, none": one_filter("task_version", "EQUAL", "x"),
        "created_by": one_filter("created_by", "EQUAL", f"uid:{os.getuid()}"),
        "created_by, none": one_filter("created_by", "EQUAL", "x"),
        "label": one_filter("labels.team", "EQUAL", "yes"), "label, few": one_filter("labels.rare", "EQUAL", "yes"),
        "label key": one_filter("labels.team", "EXISTS"), "label key, none": one_filter("labels.x", "EXISTS"),
        "created_at": one_filter("created_at", "LESS_THAN", earlier),
        "updated_at, few": one_filter("updated_at", "GREATER_THAN", recent), "paused": {"pausedActionsOnly": True},
    }


def page_ms(server, message):
    """(ms, token, runs) of a page of 100."""
    host, port = server.endpoint.rsplit(":", 1)
    c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    c.connect()
    begin = time.perf_counter()
    c.request("POST", "/flyteidl2.workflow.RunService/ListRuns", json.dumps(message), {"content-type": "application/json"})
    r = c.getresponse()
    body = r.read()
    ms = (time.perf_counter() - begin) * 1e3
    c.close()
    if r.status != 200:
        raise RuntimeError(f"ListRuns {message}: {r.status} {body[:300]}")
    answer = json.loads(body)
    return ms, answer.get("token", ""), len(answer.get("runs", []))


def row_list(b):
    """1,000,000 runs: pages of 100 for everything that the clients ask for, the first and four that follow."""
    server = b.server("list")
    b.load(server, "list", "create", "--count", 1)
    settle(server)
    listen = server.endpoint
    server.stop()
    count = 100_000 if QUICK else 1_000_000
    fill_runs(server.data / "tern.db", count)
    server.start(listen)
    scope = {"projectId": {"name": "flytesnacks", "domain": "development"}}
    (task,), = server.query("SELECT n.name FROM run r JOIN task_name n ON n.id=r.task_name_id WHERE r.id=1")
    worst = {}
    for name, asked in lists(task).items():
        orders = {"up": {"sortBy": {"key": "created_at", "direction": "ASCENDING"}}, "down": {"sortBy": {"key": "created_at"}},
                  **({"default": {}} if name in ("all", "phase =") else {}),
                  **({"updated": {"sortBy": {"key": "updated_at"}}} if name in ("all", "updated_at, few") else {})}
        for way, order in orders.items():
            top = {k: v for k, v in asked.items() if k == "pausedActionsOnly"}
            request = {**order, **{k: v for k, v in asked.items() if k == "filters"}, "limit": 100}
            times, listed = [], 0
            for _ in range(RUNS):
                token = ""
                for _ in range(5):
                    ms, token, n = page_ms(server, {**scope, **top, "request": {**request, "token": token}})
                    times.append(ms)
                    listed += n
                    if not token:
                        break
            if not listed:
                raise RuntimeError(f"{name} {way}: nothing was listed")
            b.keep("list", what=f"{name} {way}", ms=times)
            worst[f"{name} {way}"] = median(times)
    slowest = max(worst, key=worst.get)
    b.say(f"{count:,} runs: a page of 100, {len(worst)} kinds of lists, the slowest", f"{worst[slowest]:.1f} ms ({slowest})",
          "5 ms", worst[slowest] <= 5, "bench.py list")
    for what, part in (("filter that nothing passes", one_filter("run_name", "EQUAL", "x")),
                       ("order without index", {"sortBy": {"key": "ended_at"}})):
        ms = median([page_ms(server, {**scope, "request": {**part, "limit": 100}})[0] for _ in range(RUNS)])
        b.say(f"{count:,} runs: a page, {what}", f"{ms:.0f} ms", "300 ms", ms <= 300, "bench.py list")
    server.stop()


# ---- triggers --------------------------------------------------------------------------------------------------------

def deploy_schedule(server, kickoff):
    """One task that ends inside the server, with one schedule: its run has inputs of its own when kickoff names one."""
    variable = {"type": {"simple": "DATETIME"}}
    template = {"type": "core-echo", "id": {"resourceType": "TASK", "name": "due"},
                "interface": {"inputs": {"variables": [{"key": "when", "value": variable}]} if kickoff else {}},
                "metadata": {"runtime": {"type": "FLYTE_SDK", "version": "2.4.0"}}}
    server.call("DeployTask", {
        "taskId": {"project": "flytesnacks", "domain": "development", "name": "due", "version": "v1"},
        "spec": {"taskTemplate": template, "shortName": "due"}, "triggers": [{
            "name": "t", "spec": {"active": True},
            "automationSpec": {"type": "TYPE_SCHEDULE", "schedule": {
                "cron": {"expression": "0 3 * * *", "timezone": "UTC"}, "kickoffTimeInputArg": "when" if kickoff else ""}}}]},
        "flyteidl2.task.TaskService")


def fill_schedules(path, count, due_s, spread_s=1):
    """Copies of the one schedule, all due in the same second, or spread over the seconds from then on."""
    db = sqlite3.connect(path, isolation_level=None)
    columns = ",".join(c[1] for c in db.execute("PRAGMA table_info(task_trigger)") if c[1] not in ("id", "name", "next_ns", "due_ns"))
    db.execute(f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE i < {count})"
               f" INSERT INTO task_trigger (id, name, next_ns, due_ns, {columns})"
               f" SELECT i, 't' || i, 0, 0, {columns} FROM n, (SELECT * FROM task_trigger WHERE id=1)")
    db.execute(f"UPDATE task_trigger SET next_ns=({due_s} + (id - 1) * {spread_s} / {count}) * 1000000000")
    db.execute("UPDATE task_trigger SET due_ns=next_ns")
    db.close()


def fire_s(b, name, count, kickoff):
    """Seconds from the slot until the last of its runs is made."""
    server = b.server(name)
    deploy_schedule(server, kickoff)
    server.stop()
    due_s = int(time.time()) + 4
    fill_schedules(server.data / "tern.db", count, due_s)
    server.start()
    end = time.monotonic() + 300
    while server.query("SELECT count(*) FROM run")[0][0] < count and time.monotonic() < end:
        time.sleep(0.2)
    (runs, last_ns, disorder), = server.query(
        "SELECT count(*), max(created_ns), sum(trigger_name <> CASE id WHEN 1 THEN 't' ELSE 't' || id END) FROM run")
    cpu = cpu_s(server.process.pid)
    settle(server)
    check_survives(b, server, name, count)
    server.stop()
    if runs != count or disorder:
        b.failures.append(f"triggers: {runs} runs of {count}, {disorder} out of order")
    b.keep("triggers", kickoff=kickoff, count=count, last_s=last_ns / 1e9 - due_s, cpu_s=cpu)
    return last_ns / 1e9 - due_s


def row_triggers(b):
    count = 2_000 if QUICK else 10_000
    for kickoff, what in ((False, "without inputs"), (True, "each with inputs of its own")):
        took = median([fire_s(b, f"triggers-{kickoff}-{i}", count, kickoff) for i in range(RUNS)])
        b.say(f"{count:,} schedules due in the same second, {what}: until the last run is made, in order", f"{took:.2f} s",
              "2 s", took <= 2, "bench.py triggers")


def row_hour(b):
    """Schedules spread over an hour: what they cost while none is due, and how late the runs are of those that are."""
    count, quiet_s, hour_s = 100_000, 4 if QUICK else 30, 3600
    server = b.server("hour")
    deploy_schedule(server, False)
    server.stop()
    due_s = int(time.time()) + quiet_s + 10  # filling takes some
    fill_schedules(server.data / "tern.db", count, due_s, hour_s)
    if time.time() > due_s - quiet_s:
        raise RuntimeError("filling took so long that the first schedules are due already")
    server.start()
    time.sleep(max(0, due_s - quiet_s - 1 - time.time()))
    cpu = []
    for until in (due_s - 1, due_s + SUSTAINED_S):
        begin, before = time.time(), cpu_s(server.process.pid)
        time.sleep(max(0.1, until - begin))
        cpu.append((cpu_s(server.process.pid) - before) / (time.time() - begin) * 100)
    settle(server)
    made = succeeded(server)
    server.kill()
    server.start()
    there = succeeded(server)  # more come due meanwhile
    server.stop()
    late = sorted((made_ns - (due_s + (int(trigger[1:] or 1) - 1) * hour_s // count) * 10**9) / 1e6
                  for made_ns, trigger in server.query(f"SELECT created_ns, trigger_name FROM run ORDER BY id LIMIT {made}"))
    wanted = SUSTAINED_S * count // hour_s
    if made < wanted:
        raise RuntimeError(f"{made} runs have succeeded of the {wanted} that were due")
    if there < made:
        b.failures.append(f"hour: {made} runs had succeeded, {there} are there after kill -9")
    p99 = late[len(late) * 99 // 100]
    b.keep("hour", idle_percent=cpu[0], firing_percent=cpu[1], late_ms=late)
    b.say(f"{count:,} schedules over an hour, none due: server CPU", f"{cpu[0]:.2f} %", "1 %", cpu[0] < 1, "bench.py hour")
    b.say(f"{count:,} schedules over an hour: {len(late)} runs, how late", f"p50 {median(late):.0f} ms, p99 {p99:.0f} ms, max "
          f"{late[-1]:.0f} ms; server CPU {cpu[1]:.2f} %", "p99 200 ms", p99 <= 200, "bench.py hour")


# ---- calls -----------------------------------------------------------------------------------------------------------

def settle(server, wait_s=60):
    """Seconds until nothing is open but sleepers."""
    begin = time.monotonic()
    sql = ("SELECT count(*) FROM action a JOIN spec s ON s.id=a.spec_id"
           " WHERE a.ended_ns IS NULL AND s.task_type='core-echo'")
    while server.query(sql)[0][0]:
        if time.monotonic() - begin > wait_s:
            raise RuntimeError("actions of core-echo are still open")
        time.sleep(0.02)
    return time.monotonic() - begin


def succeeded(server):
    return server.query(f"SELECT count(*) FROM action a JOIN spec s ON s.id=a.spec_id"
                        f" WHERE a.phase={SUCCEEDED} AND s.task_type='core-echo'")[0][0]


def check_survives(b, server, row, wanted):
    """As many as are wanted have succeeded, and are there after kill -9 and a restart; how many there are."""
    listen = server.endpoint
    server.kill()
    server.start(listen)
    there = succeeded(server)
    if there != wanted:
        b.failures.append(f"{row}: {wanted} should have succeeded, {there} have and are there after kill -9")
    return there


def durable(b, server, row, op, count, least, what, made, most_p99=None):
    """A row of calls that make actions: each has to succeed, and to be there after kill -9."""
    rates, p99s, cpu, tails = [], [], [], []
    before = succeeded(server)
    for _ in range(RUNS):
        out = b.load(server, row, op, "--count", count)
        tails.append(settle(server))
        rates.append(out["per_second"])
        p99s.append(out["p99_ms"])
        cpu.append(out["server_cpu_us"])
    there = check_survives(b, server, row, before + made * RUNS) - before
    good = median(rates) >= least and (not most_p99 or median(p99s) < most_p99)
    asked = f"{least:,}/s" + (f", p99 < {most_p99} ms" if most_p99 else "")
    b.say(what, f"{median(rates):,.0f}/s, p99 {median(p99s):.1f} ms, {median(cpu):.0f} µs CPU, all SUCCEEDED "
                f"{median(tails):.2f} s after, {there:,} there after kill -9", asked, good,
          command(op, "--connections 64 --count", count))


def row_create(b):
    server, n = b.server("create"), 5000 if QUICK else 20000
    durable(b, server, "create", "create", n, 10_000, "durable CreateRun of core-echo, 64 clients", n, 15)
    server.stop()


def row_enqueue(b):
    server, n = b.server("enqueue"), 5000 if QUICK else 20000
    durable(b, server, "enqueue", "enqueue", n, 15_000, "durable Enqueue of a child, 64 clients", n)
    server.stop()


def aborted_s(b, server, run, count):
    """Seconds until the abort of a run with so many open children is answered, until the last of them has ended, and of the
    server's CPU."""
    duration = {"scalar": {"primitive": {"duration": "3600s"}}}
    interface = {"inputs": {"variables": [{"key": "duration", "value": {"type": {"simple": "DURATION"}}}]}}
    project = {"project": "flytesnacks", "domain": "development"}
    template = {"id": {**project, "resourceType": "TASK", "name": "bench.wide", "version": "v1"}, "type": "core-sleep",
                "interface": interface}
    run_id = {**project, "name": run}
    server.call("CreateRun", {"runId": run_id, "taskSpec": {"taskTemplate": template, "shortName": "wide"}, "runSpec": {},
                              "inputs": {"literals": [{"name": "duration", "value": duration}]}})
    uri = server.call("GetActionDataURIs", {"actionId": {"run": run_id, "name": "a0"}})["inputsUri"]
    b.load(server, "abort", "open-children", "--run", run, "--inputs", uri, "--count", count)
    begin, cpu = time.perf_counter(), cpu_s(server.process.pid)
    server.call("AbortRun", {"runId": run_id, "reason": "bench"})
    answered_s = time.perf_counter() - begin
    end = time.monotonic() + 300
    while server.query("SELECT count(*) FROM cascade")[0][0]:
        if time.monotonic() > end:
            raise RuntimeError("children of an aborted run are still open after 300 s")
        time.sleep(0.05)
    cpu = cpu_s(server.process.pid) - cpu
    (begin_ns, ended, last_ns), = server.query(
        "SELECT r.abort_ns, count(a.ended_ns), max(a.ended_ns) FROM run r JOIN action a ON a.run_id = r.id"
        f" WHERE r.name = '{run}' AND a.phase = {ABORTED}")
    if ended != count + 1:
        raise RuntimeError(f"{ended} of {count + 1} actions are ABORTED")
    b.keep("abort", count=count, answered_s=answered_s, last_s=(last_ns - begin_ns) / 1e9, cpu_s=cpu)
    return answered_s, (last_ns - begin_ns) / 1e9, cpu


def row_abort(b):
    server, count = b.server("abort"), 100_000
    took = [aborted_s(b, server, f"wide{i}", count) for i in range(RUNS)]
    answered_s, last_s, cpu = (median(column) for column in zip(*took))
    b.say(f"abort of a run with {count:,} open children: until the last one has ended",
          f"{last_s:.2f} s, answered after {answered_s * 1e3:.1f} ms, {cpu:.2f} s CPU", "1 s", last_s <= 1, "bench.py abort")
    server.stop()


def row_upload(b):
    server, n = b.server("upload"), 2000 if QUICK else 10000
    durable(b, server, "upload", "upload", n, 5_000, "UploadInputs + CreateRun, 64 clients (pairs)", n)
    server.stop()


def row_get(b):
    server, n = b.server("get"), 20000 if QUICK else 50000
    args = ("--connections", 8, "--streams", 32, "--count", n)
    outs = [b.load(server, "get", "get", *args) for _ in range(RUNS)]
    us = median([o["server_cpu_us"] for o in outs])
    b.say("server CPU per GetRunDetails, proto, HTTP/2", f"{us:.1f} µs, {median([o['per_second'] for o in outs]):,.0f}/s",
          "15 µs", us <= 15, command("get", *args))
    server.stop()


def row_watch(b):
    server = b.server("watch")
    args = ("--connections", 10, "--streams", 100, "--count", 10 if QUICK else 30)
    p99 = median([b.load(server, "watch", "watch", *args)["p99_ms"] for _ in range(RUNS)])
    b.say("state change to watching client, 1,000 watchers, p99", f"{p99:.1f} ms", "5 ms", p99 <= 5,
          command("watch", *args))
    server.stop()


def row_watchers(b):
    server = b.server("watchers")
    args = ("--connections", 40, "--streams", 250, "--count", 3 if QUICK else 20)
    outs = [b.load(server, "watchers", "watch", *args) for _ in range(RUNS)]
    p50, p99, last, worst = (median([o[k] for o in outs]) for k in ("p50_ms", "p99_ms", "all_p50_ms", "all_max_ms"))
    b.say("state change to 10,000 watchers of the run", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; the last one p50 {last:.1f} ms, max "
          f"{worst:.1f} ms", "the last one 100 ms", worst <= 100, command("watch", *args))
    server.stop()


def percent(out):
    """Of one processor, by the server, while the load generator ran."""
    return out["server_cpu_us"] * out["calls"] / out["seconds"] / 1e4


PARENTS, CHILDREN_PER_S, SDK_PARENTS = 20, 100, 2  # the SDK's own limit of a parent is 100/s


def row_parents(b):
    """Parents as fast as the SDK lets them be; then two of the real SDK beside them."""
    server = b.server("parents")
    rate, seconds = PARENTS * CHILDREN_PER_S, max(4, SUSTAINED_S // RUNS)
    args = ("--connections", PARENTS, "--streams", 64, "--rate", rate, "--count", rate * seconds)
    outs = [b.load(server, "parents", "parents", *args) for _ in range(RUNS)]
    tail = settle(server)
    if succeeded(server) != rate * seconds * RUNS:
        b.failures.append(f"parents: of {rate * seconds * RUNS} children {succeeded(server)} have succeeded")
    cpu, p99 = median([percent(o) for o in outs]), median([o["p99_ms"] for o in outs])
    b.say(f"{PARENTS} parents, {rate:,} children/s, {seconds * RUNS} s: server CPU",
          f"{cpu:.1f} %, {median([o['per_second'] for o in outs]):,.0f}/s, p99 {p99:.1f} ms, all SUCCEEDED {tail:.2f} s after", "20 %",
          cpu <= 20, command("parents", *args))
    children = rate * seconds * RUNS + sdk_parents(b, server, min(2 * seconds, 60), rate)
    settle(server)
    check_survives(b, server, "parents", children)
    server.stop()


def sdk_parents(b, server, seconds, rate):
    """How many children the parents had that are not of the SDK."""
    if not sdk_python():
        b.say("parents of the real SDK beside them", "not run: no Python environment with flyte (BENCH_VENV)", "100/s each", None, "")
        return 0
    began = ("SELECT run_id, count(*), min(created_ns), max(created_ns) FROM action WHERE depth=1 AND run_id IN"
             " (SELECT r.id FROM run r JOIN action a ON a.id=r.id << 24 JOIN spec s ON s.id=a.spec_id WHERE s.task_type='python')"
             " GROUP BY run_id")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sleepers = pool.submit(sdk, b, server, "parents", "sleepers", SDK_PARENTS, CHILDREN_PER_S * seconds)
        while len(server.query(began)) < SDK_PARENTS and not sleepers.done():
            time.sleep(0.05)
        out = b.load(server, "parents", "parents", "--connections", PARENTS, "--streams", 64, "--rate", rate,
                     "--count", rate * seconds)
        sleepers.result()
    rates = [(n - 1) / (last - first) * 1e9 for _, n, first, last in server.query(began)]
    b.keep("parents", sdk_rates=rates)
    b.say(f"{SDK_PARENTS} parents of the real SDK beside {PARENTS}",
          f"{' and '.join(f'{r:.0f}' for r in rates)} children/s; server CPU {percent(out):.1f} %, p99 of the {PARENTS} "
          f"{out['p99_ms']:.1f} ms", f"{CHILDREN_PER_S}/s each, 20 %",
          min(rates) >= 0.95 * CHILDREN_PER_S and percent(out) <= 20, "sdk_tasks.py sleepers")
    return rate * seconds


# ---- what is sent --------------------------------------------------------------------------------------------------------

class Receiver(asyncio.Protocol):
    """Takes every request of HTTP/1.1 that comes with a length, and remembers when, and its key."""
    got = []
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    def connection_made(self, transport):
        self.transport, self.bytes = transport, b""

    def data_received(self, data):
        self.bytes += data
        while (end := self.bytes.find(b"\r\n\r\n")) >= 0:
            head = self.bytes[:end].lower()
            length = int(re.search(rb"\ncontent-length: *(\d+)", head)[1])
            if len(self.bytes) < end + 4 + length:
                return
            self.bytes = self.bytes[end + 4 + length:]
            Receiver.got.append((time.monotonic(), re.search(rb"\nidempotency-key: *(\S+)", head)[1]))
            self.transport.write(self.answer)


def receive():
    """The port of a receiver on a thread of its own: this one only waits for the load generator meanwhile."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(loop.create_server(Receiver, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return listening.sockets[0].getsockname()[1]


def drained(server, before, count, wait_s=120):
    """Those that came since, when all are there and none is left in the outbox."""
    end = time.monotonic() + wait_s
    while len(Receiver.got) < before + count or server.query("SELECT count(*) FROM outbox WHERE ended_ns IS NULL")[0][0]:
        if time.monotonic() > end:
            raise RuntimeError(f"{len(Receiver.got) - before} webhooks of {count} came")
        time.sleep(0.05)
    return Receiver.got[before:]


def row_webhooks(b):
    rules = b.work / "notify.yaml"
    told = {"url": f"http://127.0.0.1:{receive()}/told", "method": "HTTP_METHOD_POST",
            "body_template": '{"text": "{{.Run.Name}} {{.Phase}}"}'}
    rules.write_text(json.dumps({"deliveries": {"told": {"webhook": told}},
                                 "rules": {"bench": {"on_phases": ["SUCCEEDED"], "deliveries": ["told"]}}}))
    server = b.server("webhooks", env={"TERN_NOTIFY_FILE": str(rules), "TERN_NOTIFY_ALLOW_NETWORKS": "127.0.0.0/8"})
    rate, seconds = 1000, max(4, SUSTAINED_S // RUNS)
    paced = ("--connections", 8, "--streams", 64, "--rate", rate, "--count", rate * seconds)
    cpu, runs_alone, most, tails = [], [], [], []
    for _ in range(RUNS):
        runs_alone.append(percent(b.load(server, "webhooks", "create", *paced)))
        before = len(Receiver.got)
        cpu.append(percent(b.load(server, "webhooks", "told", *paced)))
        end = time.monotonic()
        tails.append(max(0, drained(server, before, rate * seconds)[-1][0] - end))
        before = len(Receiver.got)
        b.load(server, "webhooks", "told", "--count", 5 * rate)
        times = [at for at, _ in drained(server, before, 5 * rate)]
        most.append(len(times) / (times[-1] - times[0]))
        b.keep("webhooks", tail_s=tails[-1], most_per_second=most[-1])
    twice = len(Receiver.got) - len({key for _, key in Receiver.got})
    if twice:
        b.failures.append(f"webhooks: {twice} came twice")
    b.say(f"{rate:,} webhooks/s of as many runs, {seconds * RUNS} s: the last one after the last run",
          f"{median(tails) * 1e3:.0f} ms; server CPU {median(cpu):.0f} %, without rules {median(runs_alone):.0f} %; at most "
          f"{median(most):,.0f}/s", f"{rate:,}/s", median(tails) < 1 and median(most) >= rate, command("told", *paced))
    settle(server)
    check_survives(b, server, "webhooks", RUNS * (2 * rate * seconds + 5 * rate))
    server.stop()


def resident(server):
    """MiB of all Tern processes, a text that also says how much is in each of them, and KiB of each."""
    parts, kib = server.memory()
    each = ", ".join(f"{what} {kib / 1024:.1f}" for what, kib in sorted(parts.items()))
    return kib / 1024, f"{kib / 1024:.1f} MiB ({each})", parts


def row_memory(b):
    server = b.server("memory")
    server.call("ListRuns", {"projectId": {"name": "flytesnacks", "domain": "development"}})
    time.sleep(1)
    idle, text, parts = resident(server)
    b.keep("memory", idle_mib=idle, parts_kib=parts)
    shared = "once" if os.geteuid() == 0 else "in parts (Pss)"
    b.say(f"idle resident memory of all Tern processes, shared pages {shared}", text, "15 MB", idle * 1.048576 <= 15, "bench.py memory")
    holder = subprocess.Popen([str(b.build / "bench" / "load"), "--target", server.endpoint, "--op", "idle",
                               "--connections", "10000", "--pid", str(server.process.pid)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = holder.stdout.readline()
    if not line:
        raise RuntimeError("10,000 connections could not be opened (ulimit -n?)")
    held, text, parts = resident(server)
    holder.stdin.close()
    holder.wait(60)
    b.keep("memory", held_mib=held, parts_kib=parts, **json.loads(line))
    b.say("with 10,000 idle HTTP/2 connections", text, "200 MB", held * 1.048576 <= 200,
          command("idle", "--connections 10000"))
    server.stop()


def row_leak(b):
    n = int(os.environ.get("BENCH_MIXED", "20000" if QUICK else "500000"))
    grown, last = [], 0.0
    for run in range(RUNS):
        server = b.server(f"leak{run}")
        b.load(server, "leak", "mixed", "--count", 10000)
        rss = []
        for _ in range(2):
            b.load(server, "leak", "mixed", "--count", n)
            time.sleep(1)
            rss_mib, _, parts = resident(server)
            rss.append(rss_mib)
            b.keep("leak", rss_mib=rss_mib, parts_kib=parts)
        grown.append(rss[1] - rss[0])
        last = rss[1]
        server.stop()
    b.say(f"RSS of all Tern processes after the second {n:,} mixed RPCs less after the first", f"{median(grown):+.2f} MiB ({last:.1f} MiB)",
          "1 MiB", median(grown) <= 1, command("mixed", "--count", n))


# ---- objects ---------------------------------------------------------------------------------------------------------

SAMPLE = 1000
PUT_BYTES = bytes(i * 7 % 256 for i in range(1024))  # as s3_bench.c makes them


class S3:
    """The endpoint of a server, with the keys of an attempt that may write below bench/."""

    def __init__(self, b, server):
        self.b, self.server = b, server
        granted = server.data / "run" / "keys" / "1-1"
        granted.parent.mkdir(exist_ok=True)
        granted.write_text("wbench/\n")
        os.utime(granted, (time.time() + 7200,) * 2)
        self.id, self.secret = self.s3d("keys", 1, "bench", "d", "r", 1).decode().split()

    def s3d(self, op, *args, **options):
        return subprocess.run([self.b.build / "test" / "s3d", op, self.server.data, *map(str, args)], check=True,
                              stdout=subprocess.PIPE, **options).stdout

    def at(self):
        """HOST:PORT; it may still be starting."""
        end = time.monotonic() + FIRST_PORT_WAIT_S
        while True:
            try:
                port = (self.server.data / "run" / "s3.endpoint").read_text().split()[0].rpartition(":")[2]
                socket.create_connection(("127.0.0.1", int(port))).close()
                return f"127.0.0.1:{port}"
            except (OSError, IndexError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def load(self, op, *args):
        done = subprocess.run([self.b.build / "bench" / "s3_bench", op, self.at(), self.id, self.secret, *map(str, args),
                               "--pid", str(self.server.processes()["s3"])], capture_output=True, text=True, timeout=120)
        self.b.keep("s3", stdout=done.stdout, stderr=done.stderr)
        if done.returncode:
            raise RuntimeError(f"s3_bench {op}: {done.stderr[-500:]}")
        return done.stdout

    def get(self, connection, path, **query):
        """The body of a signed GET."""
        quote = functools.partial(urllib.parse.quote, safe="-_.~")
        now, empty = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), hashlib.sha256(b"").hexdigest()
        host, names = f"{connection.host}:{connection.port}", "host;x-amz-content-sha256;x-amz-date"
        asked = "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted(query.items()))
        request = f"GET\n{path}\n{asked}\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\n{names}\n{empty}"
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        key = b"AWS4" + self.secret.encode()
        for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"):
            key = hmac.digest(key, part.encode(), "sha256")
        connection.request("GET", path + (f"?{asked}" if asked else ""), headers={
            "host": host, "x-amz-date": now, "x-amz-content-sha256": empty, "authorization":
            f"AWS4-HMAC-SHA256 Credential={self.id}/{scope},SignedHeaders={names},Signature={key.hex()}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:300]}")
        return body

    def keys(self, connection):
        found, more = [], {}
        while True:
            page = self.get(connection, "/tern", **{"list-type": "2", "prefix": "bench/put", **more}).decode()
            found += re.findall("<Key>(.*?)</Key>", page)
            token = re.search("<NextContinuationToken>(.*?)</NextContinuationToken>", page)
            if not token:
                return found
            more = {"continuation-token": token[1]}


def row_s3(b):
    """PUTs and GETs of the endpoint that belongs to a server; the objects are there after kill -9 of all of it."""
    server = b.server("s3")
    s3 = S3(b, server)
    puts, acknowledged = [], 0
    for run in range(RUNS):
        out = s3.load("put", "--below", f"bench/put{run}", "--seconds", 2)
        puts.append(float(re.search(r"^put: (\d+) requests/s", out)[1]))
        acknowledged += int(re.search(r"\((\d+) requests", out)[1])
    server.kill_all()
    server.start()
    connection = http.client.HTTPConnection(*s3.at().split(":"), timeout=60)
    keys = s3.keys(connection)
    if len(keys) < acknowledged:
        b.failures.append(f"s3: {acknowledged} PUTs were acknowledged, {len(keys)} objects are there after kill -9")
    broken = [k for k in random.sample(keys, min(SAMPLE, len(keys))) if s3.get(connection, f"/tern/{k}") != PUT_BYTES]
    if broken:
        b.failures.append(f"s3: {len(broken)} of {SAMPLE} objects are not what was put, say {broken[0]}")
    b.say("S3 PUT of 1 KiB, durable", f"{median(puts):,.0f}/s, {len(keys):,} there after kill -9", "8,000/s", median(puts) >= 8000,
          "s3_bench put")
    with subprocess.Popen(["head", "-c", str(1 << 30), "/dev/zero"], stdout=subprocess.PIPE) as zeros:
        s3.s3d("put", "bench/big", stdin=zeros.stdout)
    gets = [float(re.search(r"^get: .*?([\d.]+) MB/s", s3.load("get", "bench/big", "--seconds", 2 if QUICK else 5))[1])
            for _ in range(RUNS)]
    b.say("S3 GET of 1 GiB", f"{median(gets):,.0f} MB/s", "1,000 MB/s or the disk's", median(gets) >= 1000, "s3_bench get")
    server.stop()


# ---- tasks through the real SDK ----------------------------------------------------------------------------------------

def sdk(b, server, row, *args, timeout=560):
    config = server.home / ".flyte" / "config.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f"admin:\n  endpoint: dns:///{server.endpoint}\n  insecure: true\nimage:\n  builder: local\n"
                      "task:\n  project: flytesnacks\n  domain: development\n")
    done = subprocess.run([sdk_python(), HERE / "sdk_tasks.py", *map(str, args)], env=server.env(), cwd=HERE,
                          capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"sdk_tasks.py {args}: {done.stdout[-500:]} {done.stderr[-1500:]}")
    out = json.loads(done.stdout.strip().splitlines()[-1])
    b.keep(row, warm=not server.extra, **out)
    return out


def row_tasks(b):
    if not sdk_python():
        b.say("no-op task through the real SDK", "not run: no Python environment with flyte (BENCH_VENV)", "120 ms", None, "")
        return
    warm, cold = b.server("warm"), b.server("cold", env={"TERN_EXEC_LOCAL_WARM_POOL": "false"})
    n = 5 if QUICK else 15
    w, c = (median([sdk(b, s, "tasks", "noop", k)["p50_ms"] for _ in range(RUNS)])
            for s, k in ((warm, n), (cold, max(3, n // 3))))
    b.say("no-op task through the real SDK, warm pool, p50", f"{w:.0f} ms, cold {c:.0f} ms: {c / w:.1f} times", "120 ms, 4 times",
          w <= 120 and c >= 4 * w, "sdk_tasks.py noop")
    many, few = (50, 10) if QUICK else (500, 40)
    w, c = (median([sdk(b, s, "tasks", "fanout", k)["seconds"] for _ in range(RUNS)]) for s, k in ((warm, many), (cold, few)))
    ratio = (c / few) / (w / many)
    b.say(f"fan-out over {many} no-op children, warm pool", f"{w:.1f} s; cold, {few} children: {c:.1f} s; per child "
          f"{ratio:.1f} times", "5 times", ratio >= 5, "sdk_tasks.py fanout")
    warm.stop()
    cold.stop()


def cpu_s(pid):
    user, system = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def row_stress(b):
    """The shape of the SDK's own stress harness: parents of the real SDK, children that sleep inside the server."""
    if not sdk_python():
        b.say("parents with sleeping children", "not run: no Python environment with flyte (BENCH_VENV)", "all succeed", None, "")
        return
    server = b.server("stress")
    runs, children = (2, 50) if QUICK else (10, 1000)
    before = cpu_s(server.process.pid)
    took = median([sdk(b, server, "stress", "sleepers", runs, children)["seconds"] for _ in range(RUNS)])
    cpu = (cpu_s(server.process.pid) - before) / RUNS
    peak = int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1])
    ended, = server.query("SELECT count(*) FROM action WHERE depth=1 AND phase=5")[0]
    b.say(f"{runs} parents with {children} sleeping children each", f"{took:.1f} s, {runs * children / took:.0f} children/s; server "
          f"{cpu:.1f} s of CPU, {peak / 1024:.0f} MiB at most", "all succeed", ended == RUNS * runs * children, "sdk_tasks.py sleepers")
    server.stop()


ROWS = {"start": row_start, "million": row_million, "list": row_list, "memory": row_memory, "get": row_get, "create": row_create,
        "upload": row_upload, "enqueue": row_enqueue, "abort": row_abort, "s3": row_s3, "watch": row_watch,
        "watchers": row_watchers, "parents": row_parents, "webhooks": row_webhooks, "triggers": row_triggers, "hour": row_hour,
        "tasks": row_tasks, "stress": row_stress, "leak": row_leak}


def main():
    p = argparse.ArgumentParser(description="Measures what Tern promises.")
    p.add_argument("--build", default="build")
    p.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW")
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are stopped then too
    b = Bench(args.build)
    print(f"bench: {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}, median of {RUNS}", flush=True)
    try:
        for name in args.rows or ROWS:
            os.sync()  # what the row before left to be written is not this row's
            try:
                ROWS[name](b)
            except (RuntimeError, OSError, subprocess.SubprocessError, sqlite3.Error) as e:
                b.failures.append(f"{name}: {e}")
                print(f"  FAILED {name}: {e}", flush=True)
    finally:
        b.close()
    width = max((len(r[0]) for r in b.table), default=0)
    print(f"\n{'what':{width}}  value | asked | command        (load average now {os.getloadavg()[0]:.1f})")
    for what, value, asked, good, cmd in b.table:
        print(f"{what:{width}}  {value} | {asked} | {cmd}{'' if good else '   <-- missed' if good is not None else ''}")
    for f in b.failures:
        print(f"FAILED {f}")
    print(f"raw output: {b.raw.name}")
    missed = sum(good is False for _, _, _, good, _ in b.table)
    if missed or b.failures:
        print(f"{missed} of {len(b.table)} rows missed what was asked, {len(b.failures)} failures")
    return 1 if missed or b.failures else 0


if __name__ == "__main__":
    sys.exit(main())
