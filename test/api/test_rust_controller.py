"""The Rust controller of the SDK: gRPC over HTTP/2 without TLS on the API's port (opt-in by a variable)."""
import basic
import pytest


def test_nested_tasks_with_the_rust_controller(run):
    pytest.importorskip("flyte_controller_base", reason="this SDK was installed without its Rust controller")
    r = run(basic.nested, n=3, context={"env_vars": {"_F_USE_RUST_CONTROLLER": "1"}})
    assert r.outputs()[0] == 3
