"""buf, whose `buf curl` calls RPCs of which it knows only what the server says by reflection. Installed into build/buf at
first use."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = "1.75.0"


def program():
    folder = ROOT / "build" / "buf"
    found = folder / "node_modules" / ".bin" / "buf"
    installed = found.exists() and subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
    if installed != VERSION:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"@bufbuild/buf@{VERSION}"],
                       check=True)
    return found
