"""Images on one machine: environments built once, reused, refused with a clear error."""
import base64
import contextlib
import http.server
import io
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile

import pytest

import images
import wire
from waiting import wait_until


def environments(tern):
    return [p for p in (tern.data / "venvs").iterdir() if (p / "tern-complete").exists() and not p.is_symlink()]


def logs(cli, name):
    """A run's log, without the console's folding."""
    return " ".join(cli("get", "logs", name, env={"COLUMNS": "2000"}).stdout.split())


def build_of(tern, cli, done):
    """The image that a run of the command had built, as the SDK asks for it, and the run that built it."""
    name = re.search(r"Started build at: \S*/runs/([a-z0-9]+)", done.stdout + done.stderr).group(1)
    image = re.search(r"Building (\S+)", logs(cli, name)).group(1)
    return image.rsplit("/", 1)[-1], wire.details(tern.endpoint, name)["action"]["id"]["run"]


def outputs(run):
    return run.outputs()[0]


def test_image_is_built_once_and_used(tern, cli):
    done = cli("run", "--follow", "images.py", "uses_six", timeout=280)
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    out = cli("get", "io", name).stdout
    assert "1.16.0" in out and "yes" in out
    image, build = build_of(tern, cli, done)
    told = wire.call(tern.endpoint, "/flyteidl2.imagebuilder.ImageService/GetImage", {"id": {"name": image}})
    assert told.json["image"] == {"id": {"name": image}, "fqin": image, "buildRun": build}
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


def wheel(module, words, version="1.0"):
    """The name and the bytes of a package with one module that has WORDS."""
    data, info = io.BytesIO(), f"{module}-{version}.dist-info"
    with zipfile.ZipFile(data, "w") as z:
        z.writestr(f"{module}.py", f"WORDS = {words!r}\n")
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: {version}\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    return f"{module}-{version}-py3-none-any.whl", data.getvalue()


class Hold:
    """What is asked for comes when the test opens it."""

    def __init__(self):
        self.asked, self.open = threading.Event(), threading.Event()

    def wait(self):
        self.asked.set()
        self.open.wait()


def test_requirements_a_wheel_and_debian_packages_that_are_there(sdk, cli, tmp_path):
    """The wheel is the one that was given, though the registry has a newer one."""
    name, data = wheel("iniconfig", "from a wheel", version="0.0.1")
    (tmp_path / name).write_bytes(data)
    done = cli("run", "--follow", "images.py", "uses_requirements_and_wheel", timeout=280, env={"TERN_TEST_WHEELS": str(tmp_path)})
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    assert outputs(sdk.remote.Run.get(name)) == ["1.15.0", "0.0.1", "from a wheel"]


def test_a_dockerfile_is_refused_before_anything_is_built(tern, cli):
    before = len(environments(tern))
    done = cli("run", "images.py", "never_dockerfile", check=False, timeout=120)
    said = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert done.returncode != 0 and "Dockerfile is not supported" in said, said
    assert "Started build" not in said and len(environments(tern)) == before


@contextlib.contextmanager
def package_index(module, words, authorization=None, hold=None):
    """An index with one package."""
    name, data = wheel(module, words)
    pages = {f"/simple/{module.replace('_', '-')}/": f'<a href="/{name}">{name}</a>'.encode(), f"/{name}": data}

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if hold and self.path == f"/{name}":
                hold.wait()
            ok = self.headers.get("Authorization") == authorization
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
        yield f"localhost:{server.server_port}"
        if hold:
            hold.open.set()
        server.shutdown()


@pytest.fixture
def private_index():
    """Wants a password."""
    token = "s3cr3t-of-the-index"
    wanted = "Basic " + base64.b64encode(f"user:{token}".encode()).decode()
    with package_index("tern_private_words", "from a private index", wanted) as address:
        yield address, token


@pytest.fixture
def held_index():
    hold = Hold()
    with package_index("tern_held_words", "held", hold=hold) as address:
        yield {"TERN_TEST_INDEX": address}, hold


HELD = re.compile(r"Building (?:\S+/)?(tern-held:\S+)")  # older SDKs name a registry


def builds(server):
    """The logs of the builds of the image that is held back."""
    texts = [p.read_text() for p in (server.data / "logs").rglob("*.log")]
    return [t for t in texts if HELD.search(t)]


def start_held(server, env):
    """A client that wants that image."""
    server.write_client_config(server.home)
    return subprocess.Popen([pathlib.Path(sys.prefix) / "bin" / "flyte", "run", "--follow", "images.py", "uses_held_package"],
                            env={**server.env(), **env}, cwd=images.FILES.parent, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def result_of(server, client):
    said = client.communicate(timeout=200)[0]
    return said, server.cli("get", "io", re.search(r"Created Run: ([a-z0-9-]+)", said).group(1)).stdout


def test_runs_that_need_the_same_new_image_build_it_once(make_tern, held_index):
    """The second asks for it while the first is being built."""
    env, hold = held_index
    server = make_tern(args=["--exec.local.cpus", "4"]).start()
    clients = [start_held(server, env)]
    wait_until(hold.asked.is_set, "the first build")
    clients.append(start_held(server, env))
    wait_until(lambda: len(builds(server)) == 2, "the second build")
    hold.open.set()
    for client in clients:
        assert "held" in result_of(server, client)[1]
    assert sorted("is there already" in text for text in builds(server)) == [False, True]
    assert sorted(text.count(" venv ") for text in builds(server)) == [0, 1]
    assert len(environments(server)) == 1


def processes(server):
    """Those that name the server's folder: pid, and what it is: a command of tern, or another program."""
    found, mark = {}, str(server.folder).encode()
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (p / "cmdline").read_bytes()
            if mark in words or mark in (p / "environ").read_bytes() or mark in os.readlink(p / "cwd").encode():
                program, command = (os.fsdecode(w) for w in words.split(b"\0")[:2])
                found[int(p.name)] = command if program.endswith("tern") else pathlib.Path(program).name
        except OSError:
            continue
    return found


def has_image(server):
    """Whether the server says that the image is there, or has anything of it under its name."""
    name = HELD.search(builds(server)[0]).group(1)
    answer = wire.call(server.endpoint, "/flyteidl2.imagebuilder.ImageService/GetImage", {"id": {"name": name}})
    assert answer.code in (None, "not_found"), answer
    return answer.status == 200 or bool(environments(server) or list((server.data / "venvs").glob("image-*")))


KILLED = {"builder": {"build_image"}, "server": {"serve", "supervise", "build_image"}}


@pytest.mark.parametrize("victims", ["server", pytest.param("builder", marks=pytest.mark.slow)])
def test_a_build_that_was_killed_is_no_image(make_tern, held_index, victims):
    """Of what was installing nothing is left at work, and the next build begins anew."""
    env, hold = held_index
    server = make_tern(args=["--exec.local.cpus", "4"]).start()
    client = start_held(server, env)
    wait_until(hold.asked.is_set, "the build")
    assert not has_image(server)
    before = processes(server)
    assert KILLED[victims] | {"uv"} <= set(before.values()), before
    for pid, name in before.items():
        if name in KILLED[victims]:
            os.kill(pid, signal.SIGKILL)
    if victims == "server":
        client.kill()
        client.communicate()
        server.kill()
        server.restart()
    wait_until(lambda: not [pid for pid in processes(server) if before.get(pid) == "uv"], "the end of what was installing")
    assert not has_image(server)
    hold.open.set()
    client = start_held(server, env) if victims == "server" else client  # which sees it tried again
    said, result = result_of(server, client)
    assert "held" in result, said
    assert has_image(server) and len(environments(server)) == 1


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
