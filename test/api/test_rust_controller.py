"""The Rust controller of the SDK: gRPC over HTTP/2 without TLS on the API's port (opt-in by a variable)."""
import basic


def test_nested_tasks_with_the_rust_controller(run):
    import flyte_controller_base  # noqa: F401  installed by test/requirements.txt
    r = run(basic.nested, n=3, context={"env_vars": {"_F_USE_RUST_CONTROLLER": "1"}})
    assert r.outputs()[0] == 3
