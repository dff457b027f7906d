"""moto, an S3 server that is not ours, as a bucket of others. Installed into build/venv-moto at first use: it wants other
versions than the SDK."""
import contextlib
import pathlib
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = "5.2.5"
SCRIPT = """
from moto.server import ThreadedMotoServer
import threading
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server._server.port, flush=True)
threading.Event().wait()
"""


def python():
    folder = ROOT / "build" / "venv-moto"
    found = folder / "bin" / "python"
    installed = found.exists() and subprocess.run([found, "-c", "import moto; print(moto.__version__)"],
                                                  capture_output=True, text=True).stdout.strip()
    if installed != VERSION:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        f"moto[s3,server]=={VERSION}"], check=True)
    return found


@contextlib.contextmanager
def start_moto(*buckets):
    """Its address, with these buckets."""
    p = subprocess.Popen([python(), "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        endpoint = f"http://127.0.0.1:{int(p.stdout.readline())}"
        for bucket in buckets:
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")).close()
        yield endpoint
    finally:
        p.kill()
        p.wait()
