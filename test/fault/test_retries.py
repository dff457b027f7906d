"""The client's retries: what it sends again after a kill makes nothing twice (D-02)."""
import re

import pytest
from flyte.remote import Run

import world
from harness import SDK_EXITS

# Before the commit nothing is there, so the retry makes the run; after it the reply alone is missing.
POINTS = ["run.created", "lane.before_commit@run.created",
          pytest.param("lane.after_commit@run.created", marks=pytest.mark.quick)]


def runs(w):
    w.connect()
    return list(Run.listall())


@pytest.mark.parametrize("point", POINTS)
def test_flyte_run_is_killed_and_retried(make_world, point):
    """`flyte run` without a name: the server ends at the point, starts again on its port while the command retries."""
    w = make_world(start=False)
    w.start_with_fault(f"{point}=kill")
    keeper = w.keep()
    done = w.cli("run", "fan.py", "nothing", cwd=world.PROGRAMS, check=False)
    text = done.stdout + done.stderr
    assert done.returncode in SDK_EXITS, text
    assert keeper.ended == [-9], "the server was not killed"
    (r,) = runs(w)
    assert re.search(rf"\b{r.name}\b", text), f"the command did not print {r.name}: {text}"
    w.assert_value(r, 7)


def test_flyte_run_again_is_another_run(make_world):
    """Only a retry is the same: the same command a second time makes a second run."""
    w = make_world()
    for _ in range(2):
        w.cli("run", "fan.py", "nothing", cwd=world.PROGRAMS)
    assert len({r.name for r in runs(w)}) == 2


def test_flyte_run_gives_up_and_the_run_is_there(make_world):
    """The server comes back after the command has given up: it may not know, but there is one run at most, whole."""
    w = make_world(start=False)
    w.start_with_fault("lane.after_commit@run.created=kill")
    command = world.Later(lambda: w.cli("run", "fan.py", "nothing", cwd=world.PROGRAMS, check=False, timeout=600))
    assert w.process.wait(120) == -9
    done = command.result(600)
    assert done.returncode != 0, done.stdout
    w.process = None
    w.restart()
    (r,) = runs(w)
    w.assert_value(r, 7)
