"""What was acknowledged is there for everybody at once (D-03): 64 clients make a run and ask for it on another
connection. A million times in `make test-all`: two and a half minutes on two processors that have nothing else to do (7,000 in
a second), four beside other work (4,000). TERN_FAULT_PAIRS says another number."""
import json
import os
import subprocess

import pytest

import harness

CLIENTS = 64
PAIRS = int(os.environ.get("TERN_FAULT_PAIRS", "1000000"))
SMALL = 5000


def create_and_get(w, count):
    subprocess.run(["make", "--no-print-directory", "BUILD=build", "build/bench/load"], cwd=harness.ROOT, check=True)
    done = subprocess.run([harness.ROOT / "build/bench/load", "--target", w.endpoint, "--op", "create-get",
                           "--connections", str(CLIENTS), "--count", str(count)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    print(f"{told['calls']} runs made and found, {told['failed']} not, {told['per_second']} in a second")
    assert told["calls"] == count and told["failed"] == 0, done.stderr


@pytest.mark.parametrize("count", [pytest.param(SMALL, id="some", marks=pytest.mark.quick), pytest.param(PAIRS, id="many")])
def test_a_run_is_found_on_another_connection(make_world, count):
    create_and_get(make_world(), count)
