"""`flyte start tui`: the terminal interface of the SDK, on a terminal, against a real server."""
import pathlib
import re
import sys

import pytest
import wire
from harness import Tern
from terminal import Terminal
from waiting import wait_until

pytest.importorskip("textual", reason="this SDK was installed without its terminal interface")

ENTER, ESCAPE, DOWN = "\r", "\x1b", "\x1b[B"
QUIT = "\x11"  # also where "q" would be written into a field
TRIGGERS, TASKS, APPS = "2", "3", "4"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Tern(tmp_path_factory.mktemp("tui") / "tern").start()
    server.write_client_config(server.home)
    yield server
    server.finish()


@pytest.fixture
def tui(server):
    """The interface, with the runs of the project on its screen."""
    flyte = pathlib.Path(sys.prefix) / "bin" / "flyte"
    with Terminal([flyte, "start", "tui", "--poll-interval", "1"], server.env()) as terminal:
        terminal.shows("Projects — 1 total", "flytesnacks")
        terminal.press(ENTER)
        terminal.shows("on page", "Runs")
        yield terminal
        terminal.press(QUIT)
        assert terminal.process.wait(60) == 0


def start(server, *args):
    return re.search(r"/runs/(\w+)", server.cli("run", *args).stdout)[1]


def tree(tui):
    """(phase, task) of the actions, as they stand on the left."""
    return re.findall(r"^│[└├│─▼ ]*([●✓✗⏸]) +(\w+)", tui.screen(), re.M)


def in_field(tui):
    """Letters are written, and no longer keys of the screen, which the last line shows."""
    wait_until(lambda: "q Quit" not in tui.screen(), "the field to have the keys")


def ended(server, name, phase):
    wait_until(lambda: wire.phase(server.endpoint, name) == f"ACTION_PHASE_{phase}")


@pytest.fixture(scope="module")
def finished(server):
    """One that has succeeded, and one that has failed."""
    good = start(server, "--follow", "basic.py", "nested", "--n", "3")
    bad = start(server, "--follow", "failures.py", "raises", "--text", "pear")
    ended(server, good, "SUCCEEDED")
    ended(server, bad, "FAILED")
    return good, bad


def test_runs_by_phase_and_task(server, finished, tui):
    good, bad = finished
    tui.shows("basic.nested", good, "failures.raises", bad)
    tui.click("All  ")
    tui.click("Failed")
    tui.shows("1 on page", bad)
    assert good not in tui.screen()
    tui.click("Filter by task name")
    in_field(tui)
    tui.press("NESTED" + ENTER)
    tui.shows("0 on page")
    assert bad not in tui.screen()


def test_log(server, finished, tui):
    tui.shows(finished[1])
    tui.press(ENTER)
    tui.shows(f"Run: {finished[1]}")
    tui.press("l")
    tui.shows("bad pear")


# The SDK fills the tree of a run when it looks at an open one again: the look that begins with it, it cancels itself.


@pytest.fixture(scope="module")
def deployed(server):
    server.cli("deploy", "handlers.py", "env")


def test_open_run_and_its_abort(server, deployed, tui):
    name = start(server, "handlers.py", "has_children", "--seconds", "3600")
    tui.press("r")
    tui.shows(name)
    tui.press(ENTER)
    tui.shows(f"Run: {name} — ActionPhase.RUNNING")
    wait_until(lambda: tree(tui) == [("●", "has_children")] + 3 * [("●", "sleeps")])
    tui.press(DOWN + ENTER)
    tui.shows("task name:  handlers.has_children", "status:     running", "viewing:    attempt 1")
    tui.press("a")
    tui.shows("Run abort requested")
    ended(server, name, "ABORTED")


def test_question_is_answered(server, tui):
    name = start(server, "durable.py", "asks_number")
    tui.press("r")
    tui.shows(name)
    tui.press(ENTER)
    tui.shows(f"Run: {name} — ActionPhase.RUNNING", "● asks_number", "Condition: number")
    tui.shows("Enter a int value")
    in_field(tui)
    tui.press("7" + ENTER)
    tui.shows("Condition signaled")
    ended(server, name, "SUCCEEDED")
    assert "7" in server.cli("get", "io", name, "a0", "--outputs-only").stdout


def test_tasks_triggers_and_apps(deployed, tui):
    tui.press(TASKS)
    tui.shows("handlers.fails", "handlers.tell")
    tui.press(TRIGGERS)
    tui.shows("by-hand", "handlers.fails", "no")
    tui.press(ENTER)
    tui.shows("name:       by-hand", "task:       handlers.fails", "active:     False")
    tui.press(ESCAPE)
    tui.shows("Runs", "by-hand")
    tui.press(APPS)
    tui.shows("AppService/List is not implemented by this version of Tern")
