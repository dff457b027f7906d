"""What is old goes, what is needed stays (D-40): `tern gc`, on real runs."""
import hashlib
import os
import re
import sqlite3
import time

MOMENT = "1ms"


def run(server, task, *args):
    """The run's name, when it has ended however it did."""
    done = server.cli("run", "--follow", "kept.py", task, *args, check=False)
    return re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)


def gc(server, *args):
    """{what: count} of the table that it prints."""
    lines = server.command("gc", *args).stdout.splitlines()
    return {line[:14].strip(): int(line[14:].split()[0]) for line in lines[1:]}


def restart_with(server, *args):
    """What is kept for a moment only would go 30 seconds after a start, whatever the test does then."""
    server.terminate()
    server.args = list(args)
    server.restart()


def folders(server):
    """Names of runs that have a file left in a work folder."""
    return {p.relative_to(server.data / "work").parts[2] for p in (server.data / "work").rglob("left-behind.txt")}


def objects(server, prefix):
    index = sqlite3.connect(f"file:{server.data}/objects.db?mode=ro", uri=True)
    try:
        rows = index.execute("SELECT key FROM object WHERE bucket = 'tern'").fetchall()
    finally:
        index.close()
    return {key.decode() for (key,) in rows if key.startswith(prefix.encode())}


def test_work_folders(make_tern):
    server = make_tern().start()
    well, badly = run(server, "works", "--text", "hello"), run(server, "fails")
    assert folders(server) == {well, badly}
    restart_with(server, "--retention.work_succeeded", MOMENT)
    assert gc(server, "--dry-run")["work folders"] == 1
    assert folders(server) == {well, badly}
    assert gc(server)["work folders"] == 1
    assert folders(server) == {badly}
    assert gc(server)["together"] == 0
    assert "it says hello" in server.cli("get", "logs", well, "a0").stdout
    assert "hello" in server.cli("get", "io", well).stdout


def test_work_folder_of_a_run_that_nobody_knows(make_tern):
    server = make_tern().start()
    lost = server.data / "work" / "flytesnacks" / "development" / "lost" / "a0" / "1"
    lost.mkdir(parents=True)
    assert gc(server)["work folders"] == 0
    os.utime(lost.parent.parent, (time.time() - 8 * 86400,) * 2)
    assert gc(server)["work folders"] == 1
    assert not (server.data / "work" / "flytesnacks").exists()


def test_logs(make_tern):
    server = make_tern(args=["--retention.logs", "30d"]).start()
    old, new = run(server, "works", "--text", "old"), run(server, "works", "--text", "new")
    for log in (server.data / "logs").rglob("*.log"):
        if "it says old" in log.read_text():
            os.utime(log, (time.time() - 31 * 86400,) * 2)
    assert gc(server, "--dry-run")["logs"] == 1
    assert "it says old" in server.cli("get", "logs", old, "a0").stdout
    assert gc(server)["logs"] == 1
    gone = server.cli("get", "logs", old, "a0").stdout
    assert "it says old" not in gone and "retention.logs" in gone
    assert "it says new" in server.cli("get", "logs", new, "a0").stdout


def test_an_upload_that_is_named_grows_young_again(make_tern):
    """So that its time runs from the last run or task that named it."""
    server = make_tern().start()
    server.cli("deploy", "--version", "1", "kept.py", "named")
    code = objects(server, "uploads/")
    month_ago = time.time_ns() - 30 * 86400 * 10**9
    index = sqlite3.connect(server.data / "objects.db", timeout=10)
    with index:
        index.execute("UPDATE object SET modified_ns = ? WHERE bucket = 'tern'", (month_ago,))
    assert gc(server, "--dry-run")["uploads"] == 0
    changed = "SELECT max(modified_ns) FROM object WHERE bucket = 'tern'"
    assert index.execute(changed).fetchone() == (month_ago,)
    assert gc(server)["uploads"] == 0 and objects(server, "uploads/") == code
    assert index.execute(changed).fetchone()[0] > month_ago
    index.close()


def test_runs_and_uploads(make_tern):
    server = make_tern().start()
    server.cli("deploy", "--version", "1", "kept.py", "named")
    kept_code = objects(server, "uploads/")
    assert kept_code
    given = server.folder / "given.txt"
    given.write_text("given")
    old = run(server, "reads", "--file", given)
    new = run(server, "works", "--text", "newest")  # the newest run always stays
    last = run(server, "works", "--text", "again")
    assert "given" in server.cli("get", "io", old).stdout
    before = objects(server, "uploads/")
    restart_with(server, "--retention.runs", MOMENT, "--retention.uploads", MOMENT)
    assert gc(server, "--dry-run")["finished runs"] == 2
    assert objects(server, "uploads/") == before and objects(server, f"flytesnacks/development/{old}/")
    swept = gc(server)
    assert swept["finished runs"] == 2 and swept["uploads"] > 0
    assert not objects(server, f"flytesnacks/development/{old}/")
    assert folders(server) == {last}
    assert kept_code <= objects(server, "uploads/") < before
    listed = server.cli("get", "run").stdout
    assert last in listed and old not in listed and new not in listed
    assert "not found" in server.cli("get", "run", old, check=False).stderr.lower()
    assert "again" in server.cli("get", "io", last).stdout


def make_environment(server, name, images, age_days):
    """What the builder leaves, as far as a sweep looks at it."""
    venvs = server.data / "venvs"
    (venvs / name / "bin").mkdir(parents=True)
    complete = venvs / name / "tern-complete"
    complete.write_text(name)
    os.utime(complete, (time.time() - age_days * 86400,) * 2)
    for image in images:
        link = venvs / f"image-{hashlib.sha256(image.encode()).hexdigest()[:32]}"
        link.symlink_to(venvs / name)


def test_environments(make_tern):
    server = make_tern().start()
    server.cli("deploy", "--version", "1", "kept.py", "named")
    make_environment(server, "unused", ["other:1"], 31)
    make_environment(server, "recent", ["other:2"], 29)
    make_environment(server, "deployed", ["registry.example.org/named:1", "named:1"], 31)
    broken = server.data / "venvs" / "build-abcdef"
    broken.mkdir()
    os.utime(broken, (time.time() - 2 * 86400,) * 2)

    def left():
        return {p.name for p in (server.data / "venvs").iterdir() if p.is_dir() and not p.is_symlink()}

    assert gc(server, "--dry-run")["environments"] == 2
    assert left() == {"unused", "recent", "deployed", "build-abcdef"}
    assert gc(server)["environments"] == 2
    assert left() == {"recent", "deployed"}
    links = [p for p in (server.data / "venvs").iterdir() if p.is_symlink()]
    assert len(links) == 3 and all(p.exists() for p in links)


def test_gc_without_a_server_says_what_to_do(make_tern):
    server = make_tern()
    done = server.command("gc", check=False)
    assert done.returncode == 1 and "tern serve" in done.stderr


def test_a_web_page_cannot_ask_for_a_sweep(tern):
    import urllib.error
    import urllib.request

    import pytest

    for headers in ({"Origin": "https://evil.example.org"}, {"Origin": "null"}):
        request = urllib.request.Request(f"http://{tern.endpoint}/admin/gc", method="POST", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 403
