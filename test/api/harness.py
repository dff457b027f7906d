"""Starts, stops and kills the program under test, and runs the `flyte` command against it."""
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TERN_BINARY") or os.environ.get("TERN") or ROOT / "build" / "tern").resolve()
CONFIG = """\
admin:
  endpoint: dns:///{endpoint}
  insecure: true
image:
  builder: remote
task:
  project: flytesnacks
  domain: development
"""

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer", "LeakSanitizer")

# The HTTP client of the SDK has a thread that may abort the interpreter at its end, before Python 3.12: all is said then.
SDK_EXITS = (0, -signal.SIGABRT) if sys.version_info < (3, 12) else (0,)


class Tern:
    """One data folder and the processes on it."""

    def __init__(self, folder, args=(), env=None, binary=BINARY):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.data = self.folder / "data"
        self.home = self.folder / "home"
        self.home.mkdir()
        self.args = list(args)
        self.extra_env = dict(env or {})
        self.binary = binary
        self.process = None
        self.endpoint = None
        self.starts = 0

    def connect(self, root_dir):
        """The SDK of this process talks to this server from now on."""
        import flyte
        from flyte._code_bundle import bundle

        # Older SDKs remember for the life of a process what they have uploaded, whatever the server.
        forget = getattr(bundle.build_code_bundle, "cache_clear", lambda: None)
        forget()
        flyte.init(endpoint=self.endpoint, insecure=True, project="flytesnacks", domain="development",
                   root_dir=root_dir, image_builder="remote")
        return flyte

    @property
    def log(self):
        return self.folder / "server.log"

    def env(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("TERN_", "FLYTE_", "AWS_", "XDG_"))}
        env.update(HOME=str(self.home), VIRTUAL_ENV=sys.prefix, XDG_CONFIG_HOME=str(self.home / ".config"),
                   NO_PROXY="localhost,127.0.0.1,::1")
        env.update(self.extra_env)
        return env

    def start(self, listen="localhost:0", wait=20):
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [self.binary, "serve", "--listen", listen, "--data", self.data, "--ready-file", ready, *self.args]
        self.starts += 1
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.env(), cwd=self.folder)
        end = time.monotonic() + wait
        while not (ready.exists() and ready.read_text().strip()):
            if self.process.poll() is not None:
                raise RuntimeError(f"tern ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > end:
                raise RuntimeError(f"tern was not ready in {wait} s: {self.tail()}")
            time.sleep(0.01)
        self.endpoint = ready.read_text().strip()
        return self

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def terminate(self, wait=20):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(wait)
        self.process = None
        return status

    def kill(self):
        """kill -9 of the server alone: the supervisor and the tasks live on."""
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def restart(self):
        return self.start(listen=self.endpoint)

    def command(self, *args, check=True, timeout=60, **options):
        """tern ARGS --data DIR"""
        done = subprocess.run([str(self.binary), *map(str, args), "--data", str(self.data)], env=self.env(),
                              capture_output=True, text=True, timeout=timeout, **options)
        assert not check or done.returncode == 0, f"tern {args}: {done.stdout}\n{done.stderr}"
        return done

    def finish(self):
        """Ends everything that belongs to the folder; a sanitizer's report in a log is a failure."""
        if self.data.exists():
            self.command("stop", "--tasks", check=False)
        if self.process:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.check_logs()

    def check_logs(self):
        """The supervisor's log is the S3 endpoint's too."""
        for log in (self.log, *sorted((self.data / "log").glob("supervisor.log*"))):
            text = log.read_text(errors="replace") if log.exists() else ""
            for mark in SANITIZER_MARKS:
                assert mark not in text, f"{log}: {text[max(0, text.index(mark) - 200):][:4000]}"

    # ---- clients ------------------------------------------------------------------------------------------------

    def write_client_config(self, home):
        path = pathlib.Path(home) / ".flyte" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG.format(endpoint=self.endpoint))
        return path

    def cli(self, *args, check=True, timeout=120, cwd=None, env=None, **options):
        """The flyte command with a HOME of this server's own."""
        self.write_client_config(self.home)
        environment = {**self.env(), "PYTHONUNBUFFERED": "1", **(env or {})}
        done = subprocess.run([pathlib.Path(sys.prefix) / "bin" / "flyte", *map(str, args)], env=environment,
                              cwd=cwd or pathlib.Path(__file__).parent / "programs", capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, **options)
        assert not check or done.returncode in SDK_EXITS, (
            f"flyte {args} ended with {done.returncode}: {done.stdout}\n{done.stderr}")
        return done
