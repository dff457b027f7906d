"""A real Tern, the real SDK and a real Chromium, driven by Playwright (installed into build/browser by test/run.py)."""
import contextlib
import functools
import http.server
import os
import pathlib
import shutil
import sys
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
SESSION_DIR = pathlib.Path(tempfile.mkdtemp(prefix="tern-browser-"))
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
os.environ.setdefault("FLYTE_DISABLE_RICH_LOGGING", "1")
sys.path.insert(0, str(ROOT / "test" / "api"))
sys.path.append(str(ROOT / "build" / "browser"))

from harness import Tern  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

# Chromium's own protection of the local network is off: what Tern refuses is to be seen, not what the browser does.
SWITCHES = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
            "--host-resolver-rules=MAP evil.test 127.0.0.1"]


@pytest.fixture(scope="session")
def tern():
    server = Tern(SESSION_DIR / "tern", args=["--notify.allow_networks", "127.0.0.0/8"])
    server.start()
    yield server
    server.finish()


@pytest.fixture(scope="session")
def flyte_run(tern):
    """flyte_run("task", "--n", 3) -> the name of the run; with wait=False it has only been submitted."""
    count = iter(range(1000))

    def go(task, *args, wait=True, check=True):
        name = f"shown{next(count)}"
        follow = ["--follow"] if wait else []
        tern.cli("run", *follow, "--name", name, "shown.py", task, *args, cwd=PROGRAMS, check=check)
        return name

    return go


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "there is no Chromium: apt-get install chromium"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page of a profile of its own; page.said has what it wrote to the console, page.statuses what was answered."""
    context = chromium.new_context()
    p = context.new_page()
    p.said, p.statuses = [], []
    p.on("console", lambda m: p.said.append((m.type, m.text, m.location.get("url", ""))))
    p.on("pageerror", lambda e: p.said.append(("error", str(e), p.url)))
    p.on("response", lambda r: p.statuses.append((r.request.method, r.url, r.status)))
    yield p
    context.close()


@pytest.fixture
def site():
    """site(html) -> port of a web server on loopback that answers every GET with it: the attacker's."""
    with contextlib.ExitStack() as stack:
        def serve(html):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, html))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server.server_port

        yield serve


class Site(http.server.BaseHTTPRequestHandler):
    def __init__(self, html, *args):
        self.html = html.encode()
        super().__init__(*args)

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(self.html)))
        self.end_headers()
        self.wfile.write(self.html)

    def log_message(self, *_):
        pass


def pytest_sessionfinish(session):
    shutil.rmtree(SESSION_DIR, ignore_errors=True)
