"""Raw-container tasks: inputs as files, outputs from files, and what is left behind. The runtime is a fake (fake/podman), or
a real one named in TERN_TEST_CONTAINERS, which needs an image box:1 with a shell."""
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import containers
import flyte
import pytest
from flyte.io import File
from waiting import wait_until

from harness import BINARY

REAL = os.environ.get("TERN_TEST_CONTAINERS")
FAKE = pathlib.Path(__file__).resolve().parent / "fake" / "podman"
PROGRAMS = pathlib.Path(containers.__file__).parent


class Runtime:
    """What the test can see of the containers on one runtime."""

    def __init__(self, folder):
        self.folder = folder
        self.program = REAL
        if not REAL:
            folder.mkdir()
            self.program = str(folder / "podman")
            # The interpreter of the tests, and no other that a PATH may have.
            text = FAKE.read_text().split("\n", 1)[1]
            pathlib.Path(self.program).write_text(f"#!{sys.executable}\n{text}")
            os.chmod(self.program, 0o755)

    def names(self):
        if REAL:
            done = subprocess.run([REAL, "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True, check=True)
            return {n for n in done.stdout.split() if n.startswith("tern-")}
        state = self.folder / "state"
        return {p.name for p in state.iterdir()} if state.exists() else set()

    def words(self, name):
        """What the runtime was called with; of the fake, once the container is gone."""
        gone = next((self.folder / "gone").glob(f"{name}.*"))
        return json.loads((gone / "words").read_text())

    def all_words(self):
        return [json.loads((p / "words").read_text()) for p in (self.folder / "gone").iterdir()]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(tmp_path_factory.mktemp("containers") / "bin")


@pytest.fixture(scope="module")
def boxes(runtime, tmp_path_factory):
    from harness import Tern
    server = Tern(tmp_path_factory.mktemp("boxes") / "tern", args=[
        "--exec.local.container_runtime", runtime.program, "--exec.local.container_options=--network=none"])
    server.start()
    yield server
    server.finish()


@pytest.fixture
def client(boxes, monkeypatch):
    """The SDK against the server that has a runtime."""
    return boxes.connect(PROGRAMS)


@pytest.fixture(scope="module", autouse=True)
def back(tern):
    """Other modules use the shared server."""
    yield
    tern.connect(PROGRAMS)


@pytest.fixture
def start(client):
    return lambda task, **inputs: client.run(task, **inputs)


@pytest.fixture
def run(start):
    def go(task, expect="succeeded", **inputs):
        r = start(task, **inputs)
        r.wait(quiet=True)
        phase = str(r.phase).rsplit(".", 1)[-1].lower()
        assert phase == expect, f"{r.name} ended {phase}: {error(r).message}"
        return r
    return go


def details(r):
    return r.details().action_details.pb2


def error(r):
    return details(r).error_info


def logs(boxes, r):
    return boxes.cli("get", "logs", r.name).stdout


def test_simple_types_there_and_back(run, runtime):
    when = datetime.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    span = datetime.timedelta(hours=1, seconds=2, milliseconds=500)
    r = run(containers.types, s="a 'quoted' ä", i=-5, f=0.1, b=True, t=when, d=span)
    everything, *values = r.outputs()  # the SDK sorts them by name
    assert values == [True, span, 0.1, -5, "a 'quoted' ä", when]
    assert json.loads(everything) == {"s": "a 'quoted' ä", "i": -5, "f": 0.1, "b": True, "t": "2026-01-31T12:00:00.123456Z",
                                      "d": 3602500000000}
    assert not runtime.names()


def test_templates_in_the_command(run):
    assert run(containers.templates, a="x y", n=3, f=0.1, b=False).outputs()[0] == "x y 3 0.1 false"


def test_a_python_task_calls_a_container(run):
    assert run(containers.calls, name="pear").outputs()[0] == "pear 1 0.1 true"


def test_files_and_folders(run):
    assert run(containers.moves).outputs()[0] == ["True", "a=first", "b c=second", "new=more\n"]


def test_files_that_keep_their_names(run):
    assert run(containers.names).outputs()[0] == "reads.fastq"


def test_a_folder_of_many_files(run):
    assert run(containers.many).outputs()[0] == 1100


def test_a_file_that_goes_in_parts(run):
    assert tuple(run(containers.large_sum).outputs()) == ((300 << 20) + 4, "end\n", True)


def test_lists_and_maps_are_folders(run):
    numbers, table = run(containers.lists, numbers=[3, 1, 2], table={"a": "x", "b c": "y"}).outputs()
    assert numbers == [3, 1, 2] and table == {"a": "x", "b c": "y"}


def test_unions_and_choices(run):
    a, b, colour = run(containers.maybe, x=3).outputs()
    assert (a, b, getattr(colour, "name", colour)) == (3, None, "RED")


def test_a_table_through_a_container(run):
    assert run(containers.table).outputs()[0] == 45


def test_a_file_of_this_machine_or_its_network_is_not_read(run):
    for uri, says in (("http://127.0.0.1:9/x", "no public address"), ("file:///etc/hostname", "s3://")):
        r = run(containers.named, expect="failed", one=File.from_existing_remote(uri))
        assert says in error(r).message


def test_inputs_as_yaml(run):
    assert run(containers.yaml, a="pear", n=3).outputs()[0].splitlines() == ['"a": "pear"', '"n": 3']


def test_the_exit_code_is_the_tasks(run, boxes, runtime):
    r = run(containers.exits, expect="failed")
    assert error(r).kind == error(r).KIND_USER and "exit code 7" in error(r).message
    assert error(r).message.endswith("its log ends with:\n  before the end")
    assert "before the end" in logs(boxes, r)
    assert not runtime.names()


@pytest.mark.parametrize("task, says", [
    ("missing", "output result: was not written"), ("wrong", "output result: is not a whole number"),
    ("link", "output result: is a symbolic link"), ("link_below", "etc: is a symbolic link"),
    ("no_choice", "none of the values of its type: RED, GREEN"), ("pipe", "output result: is a device or pipe"), ("tells", "User Error: the pears are bad"),
    ("tricky", "cannot be the name of a file")])
def test_outputs_that_cannot_be_taken(run, task, says):
    r = run(getattr(containers, task), expect="failed")
    assert says in error(r).message and error(r).kind == error(r).KIND_USER


def test_an_input_stays_in_its_folder(run, boxes):
    r = run(containers.tricky_input, expect="failed", **{"../../escape": "x"})
    assert "cannot be the name of a file" in error(r).message
    assert not list(boxes.data.rglob("escape"))


def test_abort_removes_the_container(start, boxes, runtime):
    for task in (containers.waits, containers.stubborn):
        r = start(task)
        wait_until(lambda: list(boxes.data.glob(f"work/*/*/{r.name}/*/1/outputs/text")), "its first words")
        assert runtime.names()
        r.abort()
        r.wait(quiet=True)
        assert str(r.phase).lower().endswith("aborted")
        wait_until(lambda: not runtime.names(), "the end of the container")


def test_max_runtime_removes_the_container(run, runtime):
    r = run(containers.slow, expect="timed_out")
    wait_until(lambda: not runtime.names(), "the end of the container")
    assert "longer than 2 s" in error(r).message


def processes(boxes, word):
    found = []
    for p in pathlib.Path("/proc").iterdir():
        try:
            words = (p / "cmdline").read_bytes().split(b"\0") if p.name.isdigit() else []
            about = words + (p / "environ").read_bytes().split(b"\0") if word.encode() in words else []
        except OSError:  # gone, or another account's
            continue
        if any(str(boxes.data).encode() in w for w in about):
            found.append(int(p.name))
    return found


def test_a_killed_task_leaves_no_container(start, boxes, runtime):
    r = start(containers.waits)
    first = wait_until(runtime.names, "a container")
    for pid in processes(boxes, "run_container"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not first & runtime.names(), "the end of the container")
    r.abort()
    wait_until(lambda: not runtime.names(), "the end of the next container")


def test_a_container_survives_server_and_supervisor(start, boxes, runtime):
    r = start(containers.lives, text="x")
    name = next(iter(wait_until(runtime.names, "a container")))
    supervisors = processes(boxes, "supervise")
    boxes.kill()
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    boxes.restart()
    assert name in runtime.names()
    for inputs in boxes.data.glob("work/*/*/*/*/1/inputs"):
        (inputs / "go").write_text("")
    r.wait(quiet=True)
    assert str(r.phase).lower().endswith("succeeded"), error(r).message
    assert r.outputs()[0] == "ended"
    assert not runtime.names()


def test_what_died_with_the_supervisor_is_removed_by_the_next(start, boxes, runtime):
    r = start(containers.waits)
    first = wait_until(runtime.names, "a container")
    dead = processes(boxes, "supervise") + processes(boxes, "run_container")
    boxes.kill()
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    boxes.restart()
    wait_until(lambda: not first & runtime.names(), "the end of the container")
    r.abort()
    wait_until(lambda: not runtime.names(), "the end of the next container")


@pytest.mark.skipif(bool(REAL), reason="looks at what the fake was called with")
def test_variables_and_secrets(run, boxes, runtime):
    boxes.cli("create", "secret", "pear", "--value", "g7-secret-value")
    r = run(containers.variables)
    text = r.outputs()[0]
    for line in ("COLOUR=blue", "PATH=/bin:/usr/bin:/odd", "LINES2=a\nb", "PEAR=g7-secret-value", f"RUN_NAME={r.name}"):
        assert line in text
    assert "FLYTE_AWS" not in text and "TERN_" not in text
    assert not any("g7-secret-value" in word for words in runtime.all_words() for word in words)


@pytest.mark.skipif(bool(REAL), reason="looks at what the fake was called with")
def test_resources(run, runtime):
    r = run(containers.resources)
    words = next(w for w in runtime.all_words() if any(r.name in word for word in w))
    assert words.index("--network=none") < words.index("box:1")
    assert words[words.index("--cpus") + 1] == "0.5" and words[words.index("--memory") + 1] == f"{200 << 20}b"


@pytest.mark.skipif(bool(REAL), reason="the fake says so of 137 and 64 MiB")
def test_out_of_memory(run):
    assert error(run(containers.hungry, expect="failed")).message == "the task used more memory than it may"


def test_killed_with_and_without_a_limit_of_memory(run):
    assert "most likely used more memory" in error(run(containers.hungrier, expect="failed")).message
    assert "exit code 137" in error(run(containers.killed, expect="failed")).message


def test_a_secret_as_a_file(run, boxes):
    boxes.cli("create", "secret", "plum", "--value", "g8-secret-value", check=False)
    r = run(containers.secret_file)
    assert r.outputs()[0] == "g8-secret-value"
    assert not [p for base in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR") or "/dev/shm")
                for p in pathlib.Path(base).glob("tern-*/*/plum")]


def test_what_a_task_may_not_ask_for(run, boxes):
    boxes.cli("create", "secret", "plum", "--value", "g8-secret-value", check=False)
    assert "DOCKER_HOST" in error(run(containers.secret_path, expect="failed")).message
    assert "not the name of an image" in error(run(containers.option_image, expect="failed")).message


def test_an_image_that_is_nowhere(run):
    r = run(containers.unstartable_image, expect="failed")
    message = error(r).message
    assert "could not start a container of image registry.invalid/none:1" in message
    assert message.endswith(f"flyte get logs {r.name} a0")


def test_without_a_runtime(make_tern, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    server = make_tern(env={"PATH": str(empty)}).start()
    done = server.cli("run", "--follow", "containers.py", "exits", check=False)
    text = done.stdout + done.stderr
    server.connect(PROGRAMS)
    r = flyte.run(containers.exits)
    r.wait(quiet=True)
    assert str(r.phase).lower().endswith("failed")
    message = error(r).message
    assert "apt install podman" in message and "exec.local.container_runtime" in message, text
    assert len(details(r).attempts) == 1
    doctor = server.command("doctor", check=False).stdout
    assert "apt install podman" in doctor


def test_doctor_names_the_runtime(boxes, runtime):
    doctor = boxes.command("doctor", "--exec.local.container_runtime", runtime.program, check=False).stdout
    assert f"ok    containers   {runtime.program}" in doctor
    doctor = boxes.command("doctor", "--exec.local.container_runtime", "/nowhere/podman", check=False).stdout
    assert "fail  containers" in doctor and "/nowhere/podman" in doctor


def test_switched_off(make_tern):
    server = make_tern(args=["--exec.local.container_runtime", "none"]).start()
    server.connect(PROGRAMS)
    r = flyte.run(containers.exits)
    r.wait(quiet=True)
    assert "switched off" in error(r).message and len(details(r).attempts) == 1




def test_the_program_is_replaced_while_it_runs(make_tern, runtime, tmp_path):
    """An upgrade in place: what the server starts of itself is then the new file."""
    program = tmp_path / "tern"
    shutil.copy(BINARY, program)
    server = make_tern(binary=program, args=["--exec.local.container_runtime", runtime.program]).start()
    shutil.copy(BINARY, tmp_path / "new")
    os.replace(tmp_path / "new", program)
    flyte.init(endpoint=server.endpoint, insecure=True, project="flytesnacks", domain="development",
               root_dir=pathlib.Path(containers.__file__).parent, image_builder="remote")
    r = flyte.run(containers.killed)
    r.wait(quiet=True)
    assert "exit code 137" in error(r).message
