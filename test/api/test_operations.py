"""What the person who runs Tern does: backup, restore, stop, restart."""
import re
import urllib.request



def run_basic(server, n):
    done = server.cli("run", "--follow", "basic.py", "main", "--n", n)
    return re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)


def test_backup_of_a_live_server_and_restore(make_tern, tmp_path):
    first = make_tern().start()
    name = run_basic(first, 4)
    first.command("backup", tmp_path / "backup.tar")
    second = make_tern()
    second.command("restore", tmp_path / "backup.tar")
    assert second.command("restore", tmp_path / "backup.tar", check=False).returncode != 0
    second.start()
    assert "14" in second.cli("get", "io", name).stdout
    run_basic(second, 2)


def test_stop_and_start_again(make_tern):
    server = make_tern().start()
    name = run_basic(server, 3)
    assert server.terminate() == 0
    server.restart()
    assert "SUCCEEDED" in server.cli("get", "run", name).stdout.upper()
    assert urllib.request.urlopen(f"http://{server.endpoint}/readyz").status == 200


def test_second_server_is_told_who_holds_the_folder(make_tern):
    server = make_tern().start()
    second = server.command("serve", "--listen", "localhost:0", check=False, timeout=20)
    assert second.returncode != 0 and "another server" in second.stderr and str(server.process.pid) in second.stderr


