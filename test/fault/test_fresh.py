"""What was acknowledged is there for everybody at once (D-03): 64 clients make a run and ask for it on another
connection. A million times in `make test-all`: two and a half minutes on two processors that have nothing else to do (7,000 in
a second), four beside other work (4,000). TERN_FAULT_PAIRS says another number."""
import os

import pytest

import load

CLIENTS = 64
PAIRS = int(os.environ.get("TERN_FAULT_PAIRS", "1000000"))
SMALL = 5000


def create_and_get(w, count):
    told = load.run(w, "create-get", "--connections", CLIENTS, "--count", count)
    print(f"{told['calls']} runs made and found, {told['per_second']} in a second")
    assert told["calls"] == count


@pytest.mark.parametrize("count", [pytest.param(SMALL, id="some", marks=pytest.mark.quick), pytest.param(PAIRS, id="many")])
def test_a_run_is_found_on_another_connection(make_world, count):
    create_and_get(make_world(), count)
