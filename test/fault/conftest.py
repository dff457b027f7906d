"""Faults: Tern is killed, starved, attacked and given nonsense, and what it acknowledged has to be there afterwards.

TERN_BINARY names the program with fault points (make MODE=fault BUILD=build/fault). Tests marked `quick` belong to
`make test` (suite fault), all others to `make test-all`: those marked `points` are the suite fault-points, the rest is
fault-all.
"""
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SESSION_DIR = pathlib.Path(tempfile.mkdtemp(prefix="tern-fault-"))
HOME = SESSION_DIR / "home"
HOME.mkdir()
os.environ.setdefault("TERN_BINARY", str(ROOT / "build" / "fault" / "tern"))
# The SDK reads these when it is imported, and keeps a cache of uploads below HOME.
os.environ["HOME"] = str(HOME)
os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"
os.environ.setdefault("FLYTE_DISABLE_RICH_LOGGING", "1")
for name in [n for n in os.environ if n.startswith(("FLYTE_AWS_", "UCTL_", "FLYTECTL_", "_U_"))]:
    del os.environ[name]
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
for folder in ("test/api", "test/fault", "test/fault/programs"):
    sys.path.insert(0, str(ROOT / folder))

import world  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: part of make test")
    config.addinivalue_line("markers", "points: a fan-out of 200 for each fault point, about half a minute each")


@pytest.fixture
def make_world(tmp_path):
    """make_world(env=..., args=...) -> a started World; gone afterwards, also when the test fails."""
    made = []

    def make(start=True, **options):
        w = world.World(tmp_path / f"w{len(made)}", **options)
        made.append(w)
        if start:
            w.start()
        return w

    yield make
    for w in made:
        w.finish()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for tests that only ask."""
    w = world.World(tmp_path_factory.mktemp("shared") / "w")
    w.start()
    yield w
    w.finish()


def pytest_sessionfinish(session):
    shutil.rmtree(SESSION_DIR, ignore_errors=True)
