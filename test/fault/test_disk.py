"""Syncs and writes that fail, through the real server (D-01): nothing is acknowledged that is not durable, a failed sync
is never tried again, and the next start holds what was acknowledged."""
import errno
import http.client
import os
import threading

import pytest
from flyte.remote import Run

import disk
import fan
import wire
import world

CLIENTS = 4
DATA_LOSS = 70  # the server's exit status when the outcome of a commit is unknown
DISK_FAILED = "the disk failed while a change was made durable"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return disk.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def make_failing(make_world, library):
    """make_failing(...) -> (World, Disk), started with a disk that works."""

    def make(**options):
        w = make_world(start=False, **options)
        d = disk.Disk(library, w)
        w.start()
        return w, d

    return make


class Clients:
    """Several at once create projects until the server is gone or each made `count`."""

    def __init__(self, endpoint, count):
        self.endpoint, self.count = endpoint, count
        self.stored, self.refused, self.unknown = set(), {}, set()
        threads = [threading.Thread(target=self.go, args=(k,)) for k in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(120)
            assert not t.is_alive(), "a client waits for ever"

    def go(self, k):
        for i in range(self.count):
            name = f"p{k}-{i}"
            try:
                a = wire.create_project(self.endpoint, name)
            except (OSError, http.client.HTTPException):
                self.unknown.add(name)
                return
            if a.status == 200:
                self.stored.add(name)
            else:
                self.refused[name] = a

    def compare(self, there):
        assert self.stored <= there, f"acknowledged and lost: {self.stored - there}"
        assert not there & set(self.refused), f"refused and there: {there & set(self.refused)}"
        assert there <= self.stored | self.unknown | {"flytesnacks"}
        assert {a.code for a in self.refused.values()} <= {"unavailable"}, self.refused


def ended(w, status):
    assert w.process.wait(20) == status
    w.process = None


def next_start(w, clients):
    before = w.endpoint
    w.start(listen=before)
    clients.compare(wire.projects(w.endpoint))
    assert wire.create_project(w.endpoint, "afterwards").status == 200


@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.quick), 2, 3, 4, 7, 20])
def test_a_commit_cannot_be_synced(make_failing, at):
    """The outcome is unknown: nobody is answered, the server ends and says why, the next one knows."""
    w, d = make_failing()
    d.fail("sync", at, "/tern.db-wal")
    clients = Clients(w.endpoint, 20)
    ended(w, DATA_LOSS)
    assert d.mend() == 1, "the sync was tried again"
    assert DISK_FAILED in w.tail() and "error" in w.tail().lower()
    assert len(clients.unknown) == CLIENTS and not clients.refused
    next_start(w, clients)


@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.quick), 2, 3, 5, 8, 13, 30])
def test_a_write_fails(make_failing, at):
    """An I/O error while a commit is written: its mark may be in the log all the same."""
    w, d = make_failing()
    d.fail("write", at, "/tern.db-wal")
    clients = Clients(w.endpoint, 20)
    ended(w, DATA_LOSS)
    assert d.mend() == 1 and DISK_FAILED in w.tail()
    assert len(clients.unknown) == CLIENTS and not clients.refused
    next_start(w, clients)


@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.quick), 3, 10])
def test_the_disk_is_full_for_one_write(make_failing, at):
    """Undone and refused with the reason; the server goes on."""
    w, d = make_failing()
    d.fail("write", at, "/tern.db-wal", error=errno.ENOSPC)
    clients = Clients(w.endpoint, 20)
    assert d.mend() == 1 and w.process.poll() is None
    assert clients.refused and not clients.unknown
    assert all("full" in a.message for a in clients.refused.values()), clients.refused
    clients.compare(wire.projects(w.endpoint))
    w.kill()
    next_start(w, clients)


LONG = 600  # projects of each client: more than 8 MiB of log, so that the server shortens it


def test_the_database_cannot_be_synced(make_failing):
    """While the log is moved into it. What is in the log stays there."""
    w, d = make_failing()
    d.fail("sync", 1, "/tern.db")
    clients = Clients(w.endpoint, LONG)
    ended(w, DATA_LOSS)
    assert d.mend() == 1 and DISK_FAILED in w.tail()
    assert clients.stored and not clients.refused
    next_start(w, clients)


def test_the_database_cannot_be_written(make_failing):
    """The log is as good and is moved later; nobody is refused."""
    w, d = make_failing()
    d.fail("write", 1, "/tern.db")
    clients = Clients(w.endpoint, LONG)
    assert d.mend() == 1, "the log was not moved"
    assert len(clients.stored) == CLIENTS * LONG
    assert "cannot shorten the write-ahead log" in w.log.read_text()
    w.kill()
    next_start(w, clients)


@pytest.mark.parametrize("op", ["sync", "write"])
@pytest.mark.parametrize("at", [1, 5, 20])
def test_a_run_goes_on_after_the_disk_failed(make_failing, op, at):
    """The server ends, is started again, and each action runs once."""
    w, d = make_failing()
    d.fail(op, at, "/tern.db-wal")
    keeper = w.keep()
    r = w.submit(fan.out, n=8)
    w.assert_succeeded(r, 8)
    assert keeper.ended == [DATA_LOSS] and d.mend() == 1
    assert [x.name for x in Run.listall()] == [r.name], "a retried CreateRun made another run"


def start_fails_at(w, d, op, at):
    """Whether that sync or write was reached; it starts or it ends with an error that tells."""
    d.fail(op, at)
    before = len(w.log.read_text()) if w.log.exists() else 0
    try:
        w.start()
    except RuntimeError:
        assert w.process.returncode > 0
        w.process = None
        text = w.log.read_text()[before:]
        assert any(word in text for word in ("I/O error", "Input/output error", "disk failed")), text
    else:
        w.kill()
    hit = d.mend()
    pid = w.supervisor_pid()
    if pid:
        world.kill(pid)
    return hit


@pytest.mark.parametrize("op", ["sync", "write"])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_every_failure_while_it_starts(make_world, library, op, used):
    """For all n, in a folder that is new at first, or that has a project and a log to recover."""
    w = make_world(start=False)
    d = disk.Disk(library, w)
    there = {"flytesnacks"}
    if used:
        w.start()
        assert wire.create_project(w.endpoint, "kept").status == 200
        there.add("kept")
        w.kill()
    at = 1
    while start_fails_at(w, d, op, at):
        at += 1
        assert at < 400
    assert at > 3
    w.start()
    assert wire.projects(w.endpoint) == there
    w.assert_value(w.submit(fan.nothing), 7)


@pytest.mark.parametrize("op", ["sync", "write"])
@pytest.mark.parametrize("at", [1, 2, 5, 9])
def test_the_supervisors_journal_fails(make_failing, op, at):
    """What is not in the journal is not let run; no task runs twice."""
    w, d = make_failing()
    d.fail(op, at, "/run/journal")
    r = w.submit(fan.out, n=8)
    w.assert_succeeded(r, 8, unknown=True)
    assert d.mend() == 1


@pytest.mark.parametrize("op", ["sync", "write"])
@pytest.mark.parametrize("at", [1, 3, 10])
def test_the_object_index_fails(make_failing, op, at):
    """Inputs and results are stored again by those who were told that they were not."""
    w, d = make_failing()
    d.fail(op, at, "/objects.db-wal")
    r = w.submit(fan.out, n=8)
    w.assert_value(r, sum(range(8)))
    assert d.mend() == 1
    w.kill()
    w.restart()
    w.assert_value(r, sum(range(8)))


@pytest.mark.parametrize("op,at,error", [("sync", 1, errno.EIO), ("sync", 2, errno.EIO), ("write", 1, errno.EIO),
                                         ("write", 3, errno.ENOSPC)],
                         ids=["file", "folder", "write", "full"])
def test_an_objects_file_fails(make_failing, op, at, error):
    """An upload that is too large for the index: an error, nothing is stored or left; the same one again is stored."""
    w, d = make_failing()
    data = os.urandom(4 << 20)
    before = stored(w)
    d.fail(op, at, error=error, below="objects/")
    first = put(w, data)
    assert d.mend() == 1 and first >= 500, first
    world.eventually("nothing is left", lambda: stored(w) == before)
    assert put(w, data) == 200
    (new,) = stored(w) - before
    assert new.read_bytes() == data


def stored(w):
    return {p for p in (w.data / "objects").rglob("*") if p.is_file()}


def put(w, data):
    """The status of a PUT to a signed URL."""
    url, headers = wire.upload(w.endpoint, data)
    return wire.post(url.netloc, f"{url.path}?{url.query}", data, content_type="", method="PUT", headers=headers).status


# ---- a disk that does not answer -------------------------------------------------------------------------------------

MORE_THAN_WORKERS = 24  # that wait for objects: lane/lane.h


def upload(w, n, **headers):
    """UploadInputs of inputs of its own; the answer."""
    value = {"scalar": {"primitive": {"duration": f"{3600 + n}s"}}}
    message = {"projectId": {"name": "flytesnacks", "domain": "development"}, "taskSpec": wire.sleeper("x")["taskSpec"],
               "inputs": {"literals": [{"name": "duration", "value": value}]}}
    return wire.call(w.endpoint, "/flyteidl2.dataproxy.DataProxyService/UploadInputs", message, headers=headers)


def ready(w):
    a = wire.post(w.endpoint, "/readyz", None, method="GET")
    return a.status, a.body.decode()


@pytest.mark.quick
def test_an_object_store_that_hangs_stops_nothing_else(make_failing):
    """D-05: what needs it ends by its deadline, what does not is answered, /readyz says what is wrong until it is mended."""
    w, d = make_failing()
    offloaded = upload(w, 0).json["offloadedInputData"]
    assert ready(w) == (200, "OK")
    d.stall("/objects.db-wal")
    late = {"Connect-Timeout-Ms": "1000"}
    stuck = [world.Later(lambda n=n: upload(w, n, **late)) for n in range(1, MORE_THAN_WORKERS + 1)]
    assert {one.result().code for one in stuck} == {"deadline_exceeded"} and d.hits()
    message = wire.sleeper("offloaded")
    del message["inputs"]
    assert wire.create_run(w.endpoint, {**message, "offloadedInputData": offloaded}).status == 200
    plain = {"runId": wire.run_id("without"), "taskSpec": wire.task_spec("core-echo"), "runSpec": {}}
    assert wire.create_run(w.endpoint, plain).status == 200
    world.eventually("the run", lambda: wire.phase(w.endpoint, "without") == "ACTION_PHASE_SUCCEEDED")
    assert wire.abort(w.endpoint, "offloaded", "a0").status == 200
    status, why = world.eventually("the reason", lambda: (r := ready(w))[0] != 200 and r)
    assert status == 503 and "the object store has not answered for" in why
    assert "offloaded" in wire.run_page(w.endpoint, "offloaded"), "all that wait for objects are stuck"
    assert upload(w, 0).code == "unavailable"
    assert d.mend() > 0
    world.eventually("the object store", lambda: ready(w) == (200, "OK"))
    assert upload(w, 0).status == 200
