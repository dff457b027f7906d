"""Data folders that cannot be used: a clear error, nothing acknowledged, nothing damaged."""
import hashlib
import os
import pathlib
import sqlite3
import subprocess

import pytest

import wire
import world


def refused(w):
    """The start's own words; it must end by itself and with an error."""
    before = len(w.log.read_text()) if w.log.exists() else 0
    with pytest.raises(RuntimeError, match="tern ended with [1-9]"):
        w.start()
    w.process = None
    return w.log.read_text()[before:]


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@pytest.fixture
def used(make_world):
    """A folder with a project in it, and no process."""
    w = make_world()
    assert wire.create_project(w.endpoint, "kept").status == 200
    w.command("stop", "--tasks")
    w.process.wait(20)
    w.process = None
    return w


def test_second_server_on_the_folder(make_world):
    w = make_world()
    second = world.World(w.folder / "second")
    second.data = w.data
    text = refused(second)
    assert f"process {w.process.pid}" in text and str(w.data) in text and "tern stop" in text
    assert wire.create_project(w.endpoint, "still-there").status == 200


def test_newer_schema(used):
    db = sqlite3.connect(used.data / "tern.db")
    have = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = 999")
    db.close()
    before = digest(used.data / "tern.db")
    text = refused(used)
    assert "999" in text and "newer" in text
    assert digest(used.data / "tern.db") == before
    db = sqlite3.connect(used.data / "tern.db")
    db.execute(f"PRAGMA user_version = {have}")
    db.close()
    used.start()
    assert "kept" in wire.projects(used.endpoint)


def test_another_programs_database(used):
    (used.data / "tern.db").unlink()
    db = sqlite3.connect(used.data / "tern.db")
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()
    text = refused(used)
    assert "another program" in text
    db = sqlite3.connect(used.data / "tern.db")
    assert [row[0] for row in db.execute("SELECT name FROM sqlite_schema")] == ["theirs"]
    db.close()


@pytest.mark.parametrize("name", ["tern.db", "objects.db"])
def test_no_database_at_all(used, name):
    path = next(used.data.rglob(name))
    path.write_bytes(b"this is not a database, " * 4096)
    for side in ("-wal", "-shm"):
        pathlib.Path(f"{path}{side}").unlink(missing_ok=True)
    before = digest(path)
    text = refused(used)
    assert name in text and ("damaged" in text or "is none" in text), text
    assert digest(path) == before


def test_damaged_pages(used):
    """Everything but the header overwritten: no reply may come from it, and the next start says so."""
    path = used.data / "tern.db"
    checkpoint = sqlite3.connect(path)
    checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    checkpoint.close()
    size = path.stat().st_size
    with open(path, "r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * (size - 4096))
    text = refused(used)
    assert "damaged" in text and "backup" in text, text
    assert "damaged" in refused(used)


def is_root():
    return os.geteuid() == 0


def tmpfs(path, options):
    path.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tern-test", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")


@pytest.fixture
def small_disk(make_world):
    if not is_root():
        pytest.skip("mounting a tmpfs needs root")
    w = make_world(start=False, args=["--storage.min_free", "0"])
    tmpfs(w.data, "size=24m,mode=700")
    yield w
    w.finish()
    subprocess.run(["umount", "-l", str(w.data)], check=True)


def fill(folder):
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as f:
        for size in (1 << 20, 4096):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError:
                pass
    return ballast


def test_full_disk(small_disk):
    w = small_disk
    w.start()
    acknowledged, refusals = set(), []
    ballast = fill(w.data)
    for i in range(2000):
        a = wire.create_project(w.endpoint, f"p{i}")
        if a.status == 200:
            acknowledged.add(f"p{i}")
            continue
        refusals.append(a)
        if len(refusals) == 20:
            break
    assert len(refusals) == 20, "the disk did not become full"
    assert {a.code for a in refusals} <= {"unavailable", "resource_exhausted"}, refusals
    assert any("full" in a.message.lower() or "space" in a.message.lower() for a in refusals), refusals
    assert acknowledged <= wire.projects(w.endpoint), "reading goes on"
    ballast.unlink()
    world.eventually("room again", lambda: wire.create_project(w.endpoint, "after").status == 200)
    w.kill()
    w.restart()
    assert wire.projects(w.endpoint) == acknowledged | {"after", "flytesnacks"}


def test_start_on_a_full_disk(small_disk):
    w = small_disk
    w.start()
    assert wire.create_project(w.endpoint, "kept").status == 200
    w.command("stop", "--tasks")
    w.process.wait(20)
    ballast = fill(w.data)
    text = refused(w)
    assert "full" in text.lower() or "space" in text.lower(), text
    ballast.unlink()
    w.start()
    assert "kept" in wire.projects(w.endpoint)


def test_runs_are_refused_before_the_disk_is_full(make_world):
    """storage.min_free: no new runs, with the reason; everything else goes on."""
    w = make_world(args=["--storage.min_free", "900TiB"])
    a = wire.create_run(w.endpoint, wire.sleeper("r1"))
    assert a.code == "resource_exhausted" and "storage.min_free" in a.message, a
    assert wire.create_project(w.endpoint, "other").status == 200


def test_read_only_folder(used):
    if is_root():
        if subprocess.run(["mount", "--bind", used.data, used.data]).returncode:
            pytest.skip("cannot bind mount")
        subprocess.run(["mount", "-o", "remount,ro,bind", used.data], check=True)
    else:
        used.data.chmod(0o500)
    try:
        text = refused(used)
        assert "read-only" in text.lower() or "permission denied" in text.lower(), text
        assert str(used.data) in text
    finally:
        if is_root():
            subprocess.run(["umount", "-l", used.data], check=True)
        else:
            used.data.chmod(0o700)
    used.start()
    assert "kept" in wire.projects(used.endpoint)


def test_torn_end_of_the_log(used):
    """What follows the last whole commit in the write-ahead log is not there; what precedes it is."""
    used.start()
    assert wire.create_project(used.endpoint, "before").status == 200
    used.kill()
    with open(used.data / "tern.db-wal", "ab") as f:
        f.write(os.urandom(3000))
    used.start()
    assert {"kept", "before"} <= wire.projects(used.endpoint)
