"""The Rust controller of the SDK: gRPC over HTTP/2 without TLS on the API's port (opt-in by a variable)."""
import collections
import re
import urllib.request

import basic
import pytest

LINE = re.compile(r'^tern_rpc_total\{method="flyteidl2\.actions\.ActionsService/Enqueue",protocol="([\w-]+)",code="ok"\} (\d+)$', re.M)


def enqueued(tern):
    """How many actions came by each protocol."""
    text = urllib.request.urlopen(f"http://{tern.endpoint}/metrics").read().decode()
    return collections.Counter({protocol: int(n) for protocol, n in LINE.findall(text)})


@pytest.mark.parametrize("variable, protocol", [("1", "grpc"), ("0", "connect")], ids=["rust", "python"])
def test_nested_tasks_by_the_controllers_protocol(run, tern, variable, protocol):
    if protocol == "grpc":
        pytest.importorskip("flyte_controller_base", reason="this SDK was installed without its Rust controller")
    before = enqueued(tern)
    r = run(basic.nested, n=3, context={"env_vars": {"_F_USE_RUST_CONTROLLER": variable}})
    assert r.outputs()[0] == 3
    assert enqueued(tern) - before == {protocol: 3}
