"""The load generator, test/bench/load.c, as a client of a World."""
import json
import subprocess

import harness


def run(w, op, *args):
    """What it tells of its calls, all of which were answered well."""
    subprocess.run(["make", "--no-print-directory", "BUILD=build", "build/bench/load"], cwd=harness.ROOT, check=True)
    command = [harness.ROOT / "build/bench/load", "--target", w.endpoint, "--op", op, *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["failed"] == 0, done.stderr
    return told
