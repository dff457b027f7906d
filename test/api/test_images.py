"""Images on one machine: environments built once, reused, refused with a clear error."""
import base64
import http.server
import io
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import threading
import zipfile

import pytest

import images


def environments(tern):
    return [p for p in (tern.data / "venvs").iterdir() if (p / "tern-complete").exists() and not p.is_symlink()]


def logs(cli, name):
    """A run's log, without the console's folding."""
    return " ".join(cli("get", "logs", name, env={"COLUMNS": "2000"}).stdout.split())


def outputs(run):
    return run.outputs()[0]


def test_image_is_built_once_and_used(tern, cli):
    done = cli("run", "--follow", "images.py", "uses_six", timeout=280)
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    out = cli("get", "io", name).stdout
    assert "1.16.0" in out and "yes" in out
    before = len(environments(tern))
    again = cli("run", "--follow", "images.py", "uses_six", timeout=60)
    assert "Submitting a new build" not in again.stdout + again.stderr
    assert len(environments(tern)) == before


def can_mount():
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user"]
    return subprocess.run([*alone, "true"], capture_output=True).returncode == 0


REFUSED = [
    ("never", ["apt-get install", "a-package-that-does-not-exist"]),
    ("never_commands", ["shell commands", "echo hello > /etc/motd", "need a container", "do by hand"]),
    ("never_python", ["asks for Python 3.14", "uv python install 3.14"]),
]


@pytest.mark.parametrize("task,words", REFUSED, ids=[row[0] for row in REFUSED])
def test_what_needs_a_container_is_refused_with_a_way_out(tern, cli, task, words):
    before = len(environments(tern))
    done = cli("run", "images.py", task, check=False, timeout=120)
    assert done.returncode != 0
    build = re.search(r"Started build at: \S*/runs/([a-z0-9]+)", done.stdout + done.stderr).group(1)
    text = logs(cli, build)
    assert all(w in text for w in words), text
    assert len(environments(tern)) == before


@pytest.mark.skipif(not can_mount(), reason="this account may not make mount namespaces")
@pytest.mark.slow
def test_copied_files_are_where_the_image_has_them(run):
    """Relative, in the container's home, and at another path; what one task writes to them no other sees."""
    greeting = "hello from the image"
    for _ in range(2):
        r = run(images.reads_files)
        assert outputs(r) == [greeting, greeting, greeting, "deep"]
    assert not pathlib.Path("/opt/tern-test").exists()


def test_poetry_and_uv_projects_and_folders_can_be_imported(run):
    assert outputs(run(images.imports_projects)) == ["from", "poetry", "from", "uv", "from", "folder", "1.16.0", "2.0.0"]


@pytest.mark.slow
def test_a_uv_script_gives_its_packages(run):
    assert outputs(run(images.runs_in_script_image)) == "1.15.0"


@pytest.fixture
def private_index():
    """A package index that wants a password."""
    token = "s3cr3t-of-the-index"
    wheel = io.BytesIO()
    info = "tern_private_words-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("tern_private_words.py", "WORDS = 'from a private index'\n")
        z.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tern-private-words\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    name = "tern_private_words-1.0-py3-none-any.whl"
    wanted = "Basic " + base64.b64encode(f"user:{token}".encode()).decode()

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ok = self.headers.get("Authorization") == wanted
            pages = {"/simple/tern-private-words/": f'<a href="/{name}">{name}</a>'.encode(), f"/{name}": wheel.getvalue()}
            body = pages.get(self.path, b"") if ok else b""
            self.send_response(401 if not ok else 200 if self.path in pages else 404)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # uv asks so what a wheel needs

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_port}", token
        server.shutdown()


def build_log(server, done):
    build = re.search(r"Started build at: \S*/runs/([a-z0-9]+)", done.stdout + done.stderr).group(1)
    return logs(server.cli, build)


def distributions(venv):
    """What an environment has, beside what makes it an environment: names, versions, and whether it is compiled."""
    site = next(venv.glob("lib/python3*/site-packages"))
    found = {p.name for p in site.glob("*.dist-info") if p.name.split("-")[0] not in ("pip", "setuptools", "wheel")}
    return found, bool(list(site.glob("flyte/__pycache__/*.pyc")))


@pytest.mark.slow
def test_uv_and_pip_make_the_same_environment(make_tern, private_index):
    """With a layer's secret, which no log shows; and what the machine has set for pip counts for uv too."""
    address, token = private_index
    made, words = [], "from a private index"
    for setting, name in (("none", "pip"), ("auto", "uv")):
        server = make_tern(env={"TERN_EXEC_LOCAL_UV": setting}).start()
        server.cli("create", "secret", "TERN_INDEX_TOKEN", "--value", token)
        done = server.cli("run", "--follow", "images.py", "uses_private_package", timeout=400,
                          env={"TERN_TEST_INDEX": address})
        assert words in server.cli("get", "io", re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)).stdout
        text = build_log(server, done)
        assert f"Packages are installed by {name}" in text
        assert "user:$TERN_INDEX_TOKEN@" in text and token not in text
        assert not [p for p in (server.data / "logs").rglob("*.log") if token.encode() in p.read_bytes()]
        made.append(distributions(environments(server)[0]))
    assert made[0] == made[1]
    conf = server.data / "home" / ".config" / "pip" / "pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f"[global]\nextra-index-url =\n  http://user:{token}@{address}/simple/\n")
    done = server.cli("run", "--follow", "images.py", "uses_package_of_the_machines_index", timeout=120)
    assert "installed by uv" in build_log(server, done) and token not in build_log(server, done)


def test_what_uv_says_is_in_the_log(tern, cli):
    """As the builder's own words are, and the client is told which program failed."""
    done = cli("run", "images.py", "never_installed", check=False, timeout=120)
    text = build_log(tern, done)
    assert "a-package-that-nobody-has was not found in the package registry" in text, text
    assert re.search(r"The build failed: \S*/uv failed with status 1", text), text


def test_the_settings_of_pip_are_read_as_pip_reads_them(tmp_path):
    """Against pip config list; empty for a machine that has settings of uv's own."""
    conf = tmp_path / ".config" / "pip" / "pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[global]\nindex-url = https://a.test/simple\nextra_index_url = https://b.test/simple\n"
                    "  https://c.test/simple\ntrusted-host = a.test\ntimeout = 9\n[install]\n"
                    "index-url: https://d.test/100%/simple\nfind-links = /one\n /two\n[freeze]\nfind-links = /three\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def lines(*args):
        return subprocess.run([sys.executable, *args], env=env, capture_output=True, text=True, check=True).stdout.splitlines()

    script = str(pathlib.Path(__file__).parents[2] / "src" / "image" / "embed" / "pip_settings.py")
    told = dict(line.split("=", 1) for line in lines("-m", "pip", "config", "list"))
    said = {}
    for section in ("global", "install"):
        said.update({k.split(".")[1]: v.strip("'").replace("\\n", " ").split() for k, v in told.items()
                     if k.startswith(section + ".")})
    ours = dict(line.split("=", 1) for line in lines(script))
    assert ours["UV_INDEX_URL"].split() == said["index-url"]
    assert ours["UV_INDEX"].split() == said["extra-index-url"]
    assert ours["UV_FIND_LINKS"].split(",") == said["find-links"]
    assert ours["UV_INSECURE_HOST"].split() == said["trusted-host"]
    own = tmp_path / ".config" / "uv" / "uv.toml"
    own.parent.mkdir()
    own.touch()
    assert lines(script) == []


def has_other_python():
    version = "%d.%d" % images.OTHER
    home = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
    return sys.version_info[:2] != images.OTHER and bool(
        shutil.which(f"python{version}") or list(home.glob(f".pyenv/versions/{version}*/bin/python")))


@pytest.mark.skipif(not has_other_python(), reason="no other Python is on this machine (TERN_TEST_PYTHON)")
@pytest.mark.slow
def test_another_python_and_another_sdk(run, cli):
    """The environment has what the image says, and the log tells that the task was made with another SDK."""
    r = run(images.says_versions)
    assert outputs(r) == ["%d.%d" % images.OTHER, images.OTHER_SDK]
    assert f"this environment has flyte {images.OTHER_SDK}" in logs(cli, r.name)


def test_missing_module_says_which_image_and_environment(tern, run):
    r = run(images.needs_missing_module, expect="failed")
    message = r.details().action_details.pb2.error_info.message
    assert "a_module_that_is_not_there" in message
    assert f"Runs in {sys.prefix}" in message, message
    assert "the task's image is ghcr.io/flyteorg/flyte:py3." in message, message


def test_the_local_builder_runs_in_the_servers_environment(make_tern, tmp_path):
    """Without Docker and network the SDK supposes that the image is there; its layers never reach the server, which has not
    built it for anybody else either."""
    nowhere = "http://127.0.0.1:9"
    server = make_tern().start()
    cli = server.cli
    config = server.write_client_config(tmp_path)  # a HOME that remembers no image of another builder
    config.write_text(config.read_text().replace("builder: remote", "builder: local"))
    done = cli("run", "--follow", "images.py", "uses_six", timeout=120, check=False,
               env={"HOME": str(tmp_path), "PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HTTPS_PROXY": nowhere,
                    "HTTP_PROXY": nowhere})
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    text = logs(cli, name)
    assert f"Runs in {sys.prefix} (VIRTUAL_ENV); the task's image is localhost:30000/tern-test:" in text, text
