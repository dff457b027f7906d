"""A real Tern and the real SDK: one server for the whole session, in a folder and a HOME of its own.

TERN_BINARY names the program (default build/tern). A test that stops, kills or configures a server asks for
`make_tern`, which starts another one and removes it afterwards, also when the test fails.
"""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
SESSION_DIR = pathlib.Path(tempfile.mkdtemp(prefix="tern-api-"))
HOME = SESSION_DIR / "home"
HOME.mkdir()
# The SDK reads these when it is imported, and keeps a cache of uploads below HOME.
os.environ["HOME"] = str(HOME)
os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"
os.environ.setdefault("FLYTE_DISABLE_RICH_LOGGING", "1")
for name in [n for n in os.environ if n.startswith(("FLYTE_AWS_", "UCTL_", "FLYTECTL_", "_U_"))]:
    del os.environ[name]
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(PROGRAMS))

from harness import Tern  # noqa: E402


@pytest.fixture(scope="session")
def tern():
    """The server that most tests share."""
    server = Tern(SESSION_DIR / "shared")
    server.start()
    server.write_client_config(HOME)
    yield server
    server.finish()


@pytest.fixture
def make_tern(tmp_path):
    """Starts servers of the test's own: make_tern(args=[...], env={...})."""
    made = []

    def make(**options):
        server = Tern(tmp_path / f"tern{len(made)}", **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.finish()


@pytest.fixture(scope="session")
def sdk(tern):
    """The SDK, initialised in this process against the shared server."""
    return tern.connect(PROGRAMS)


@pytest.fixture
def run(sdk):
    """run(task, **inputs) -> the finished run; fails when it did not end as `expect`."""

    def go(task, *args, expect="succeeded", context=None, **inputs):
        r = (sdk.with_runcontext(**(context or {}))).run(task, *args, **inputs)
        r.wait(quiet=True)
        phase = str(r.phase).rsplit(".", 1)[-1].lower()
        assert phase == expect, f"run {r.name} ended {phase}: {error_of(r)}"
        return r

    return go


def error_of(r):
    return r.details().action_details.pb2.error_info.message


@pytest.fixture
def cli(tern):
    """cli("get", "run") -> CompletedProcess of the flyte command."""
    return tern.cli


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: half a minute and more; not in make test, but in make test-all")


def pytest_sessionfinish(session):
    shutil.rmtree(SESSION_DIR, ignore_errors=True)
