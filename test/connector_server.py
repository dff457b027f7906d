"""c0, the connector server of flyte[connector], as a process. What the extra adds is installed into build/venv-connectors at
first use, over the packages of .venv."""
import json
import os
import pathlib
import socket
import subprocess

from waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = ROOT / "test" / "api" / "connector"


def python():
    """A Python that has the extra."""
    base = ROOT / ".venv" / "bin" / "python"
    found = ROOT / "build" / "venv-connectors" / "bin" / "python"
    if not found.exists() or subprocess.run([found, "-c", "import grpc_health, flyte.connectors"],
                                            capture_output=True).returncode:
        look = "import importlib.metadata as m, sysconfig; print(m.version('flyte'), sysconfig.get_path('purelib'))"
        version, packages = subprocess.run([base, "-c", look], capture_output=True, text=True, check=True).stdout.split()
        subprocess.run([base, "-m", "venv", "--clear", found.parents[1]], check=True)
        own = next((found.parents[1] / "lib").glob("python*/site-packages"))
        (own / "base.pth").write_text(packages + "\n")
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        f"flyte[connector]=={version}"], check=True)
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


class ConnectorServer:
    """With the connector api/connector/jobs.py, whose jobs are files of a folder."""

    def __init__(self, folder):
        self.folder, self.python, self.port, self.process = folder, python(), free_port(), None
        self.jobs = folder / "jobs"
        self.jobs.mkdir()

    def start(self):
        env = {**os.environ, "JOBS": str(self.jobs), "PYTHONPATH": str(MODULES)}
        with open(self.folder / "c0.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "flyte._bin.connect", "c0", "--port", str(self.port), "--prometheus_port",
                 str(free_port()), "--modules", "jobs"], env=env, stdout=log, stderr=log, cwd=self.folder)
        wait_until(self.answers, "the connector's port")
        return self

    def answers(self):
        assert self.process.poll() is None, (self.folder / "c0.log").read_text()
        with socket.socket() as s:
            return s.connect_ex(("localhost", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    # ---- its jobs ---------------------------------------------------------------------------------------------------

    def all(self):
        return [p.stem for p in sorted(self.jobs.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)]

    def new(self, before):
        """The first job that was not among `before`."""
        return wait_until(lambda: next((j for j in self.all() if j not in before), None), "a job")

    def read(self, job):
        return json.loads((self.jobs / f"{job}.json").read_text())

    def change(self, job, **what):
        new = self.jobs / f"{job}.new"
        new.write_text(json.dumps({**self.read(job), **what}))
        new.rename(self.jobs / f"{job}.json")

    def say(self, job, text):
        """Adds to the job's log."""
        with open(self.jobs / f"{job}.log", "a") as f:
            f.write(text)

    def calls(self, job):
        path = self.jobs / f"{job}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_looks(self, job, more=2):
        seen = len(self.calls(job))
        wait_until(lambda: len(self.calls(job)) >= seen + more, "looks at the job")
