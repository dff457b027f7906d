"""What the person who runs Tern does: backup, restore, stop, restart."""
import re
import sqlite3
import urllib.request

import wire
from waiting import wait_until


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



def test_where_clients_find_the_data_plane(tern, make_tern):
    """Where they are, unless the setting names another place (D-51)."""
    message = {"projectId": {"name": "flytesnacks", "domain": "development"}, "operation": "OPERATION_CREATE_UPLOAD_LOCATION"}
    path = "/flyteidl2.cluster.ClusterService/SelectCluster"
    here = wire.call(tern.endpoint, path, message)
    assert here.status == 200 and here.json == {}
    elsewhere = make_tern(args=["--dataproxy.public_endpoint", "https://data.example.org"]).start()
    there = wire.call(elsewhere.endpoint, path, message)
    assert there.status == 200 and there.json == {"clusterEndpoint": "https://data.example.org"}


def test_secrets_under_a_new_key(make_tern):
    server = make_tern().start()
    server.cli("create", "secret", "api-key", "--value", "s3cr3t-value")
    refused = server.command("secret", "rekey", check=False)
    assert refused.returncode != 0 and "tern stop" in refused.stderr
    server.terminate()
    key = server.home / ".config" / "tern" / "secret.key"
    before = key.read_bytes()
    assert "Sealed 1 secrets" in server.command("secret", "rekey").stdout
    assert key.read_bytes() != before and (key.parent / "secret.key.old-1").read_bytes() == before
    assert key.stat().st_mode & 0o777 == 0o600 and not (key.parent / "secret.key.next").exists()
    server.restart()
    done = server.cli("run", "--follow", "secrets_.py", "read_env")
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    assert "s3cr3t-value" in server.cli("get", "io", name).stdout


def test_a_rekey_that_was_cut_off(make_tern):
    """Rows sealed with the new key, which is not in its place yet: readable, and done again."""
    server = make_tern().start()
    server.cli("create", "secret", "api-key", "--value", "s3cr3t-value")
    server.terminate()
    server.command("secret", "rekey")
    key = server.home / ".config" / "tern" / "secret.key"
    key.rename(key.parent / "secret.key.next")
    (key.parent / "secret.key.old-1").rename(key)
    server.restart()
    done = server.cli("run", "--follow", "secrets_.py", "read_env")
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    assert "s3cr3t-value" in server.cli("get", "io", name).stdout
    server.terminate()
    newer = (key.parent / "secret.key.next").read_bytes()
    assert "Sealed 1 secrets" in server.command("secret", "rekey").stdout
    assert key.read_bytes() == newer


def ended(server, task):
    """(run, phase) of a new run that has ended."""
    done = server.cli("run", "secrets_.py", task)
    run = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    phases = ("ACTION_PHASE_SUCCEEDED", "ACTION_PHASE_FAILED")
    return run, wait_until(lambda: (p := wire.phase(server.endpoint, run)) in phases and p, f"end of {run}")


def test_a_sealed_value_in_the_row_of_another_secret(make_tern):
    """What is sealed is bound to its identifier: a task never gets the other's value, and its error names the secret."""
    server = make_tern().start()
    for name in ("api-key", "cert"):
        server.cli("create", "secret", name, "--value", f"value-of-{name}")
    server.terminate()
    swap_sealed(server.data / "tern.db")
    server.restart()
    for name, task in (("api-key", "read_env"), ("cert", "read_file")):
        run, phase = ended(server, task)
        message = wire.error(server.endpoint, run)["message"]
        assert phase == "ACTION_PHASE_FAILED" and "value-of" not in message
        assert f"secret {name}: the sealed value is damaged, or belongs to something else" in message, message
    # Nor does another key make good what is in the wrong place.
    server.terminate()
    refused = server.command("secret", "rekey", check=False)
    assert refused.returncode != 0 and "belongs to something else" in refused.stderr, refused.stderr
    swap_sealed(server.data / "tern.db")
    server.restart()
    run, phase = ended(server, "read_env")
    assert phase == "ACTION_PHASE_SUCCEEDED" and "value-of-api-key" in server.cli("get", "io", run).stdout


def swap_sealed(path):
    """Of the two secrets of a database."""
    db = sqlite3.connect(path)
    (one, first), (two, second) = db.execute("SELECT id, sealed FROM secret").fetchall()
    db.execute("UPDATE secret SET sealed = CASE id WHEN ? THEN ? ELSE ? END", (one, second, first))
    db.commit()
    db.close()
