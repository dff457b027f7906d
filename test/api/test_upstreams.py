"""Tasks and buckets of others: object.upstreams, through the real SDK (D-14)."""
import pathlib

import boto3
import flyte
import pytest
import storage
import wire
from conftest import PROGRAMS
from moto_server import start_moto

SECRET = "moto-secret-that-nobody-prints"


@pytest.fixture(scope="module")
def moto():
    with start_moto("theirs") as endpoint:
        yield endpoint


def entry(endpoint):
    return f"theirs {endpoint} region=eu-west-1 key_id=moto-key secret=env:MOTO_SECRET"


@pytest.fixture
def server(make_tern, moto):
    return make_tern(env={"TERN_OBJECT_UPSTREAMS": entry(moto), "MOTO_SECRET": SECRET})


def go(server, task, context=None, expect="succeeded", **inputs):
    server.connect(PROGRAMS)
    r = flyte.with_runcontext(**(context or {})).run(task, **inputs)
    r.wait(quiet=True)
    assert str(r.phase).rsplit(".", 1)[-1].lower() == expect, r.details().action_details.error_info
    return r


@pytest.fixture(autouse=True)
def the_shared_server_again(tern):
    yield
    tern.connect(PROGRAMS)


def texts(folder):
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


def test_raw_data_in_a_bucket_of_others(server, moto):
    server.start()
    made = go(server, storage.make_file, {"raw_data_path": "s3://theirs/raw"}, text="far away")
    f = made.outputs()[0]
    assert f.path.startswith(f"s3://theirs/raw/{made.name}/")
    there = boto3.client("s3", endpoint_url=moto, aws_access_key_id="any", aws_secret_access_key="any")
    assert there.get_object(Bucket="theirs", Key=f.path.removeprefix("s3://theirs/"))["Body"].read() == b"far away"
    assert go(server, storage.read_file, f=f).outputs()[0] == "far away"
    assert SECRET not in server.command("config", "show").stdout
    for path, content in texts(server.data):
        assert SECRET.encode() not in content, path


def test_the_endpoint_keeps_them_and_learns_new_ones(make_tern, moto):
    server = make_tern()
    server.start()
    url = {"rawDataStorage": {"rawDataPrefix": "s3://theirs/raw"}}
    a = wire.create_run(server.endpoint, {**wire.sleeper("refused"), "runSpec": url})
    assert a.code == "invalid_argument" and "object.upstreams" in a.message
    assert server.terminate() == 0
    server.extra_env.update(TERN_OBJECT_UPSTREAMS=entry(moto), MOTO_SECRET=SECRET)
    server.restart()
    made = go(server, storage.make_file, {"raw_data_path": "s3://theirs/raw"}, text="later")
    assert go(server, storage.read_file, f=made.outputs()[0]).outputs()[0] == "later"


def test_a_setting_that_cannot_be_used(make_tern, moto):
    server = make_tern(env={"TERN_OBJECT_UPSTREAMS": entry(moto)})
    with pytest.raises(RuntimeError) as e:
        server.start()
    assert "object.upstreams" in str(e.value) and "theirs" in str(e.value) and "secret" in str(e.value)
    for command in (("config", "check"), ("doctor",)):
        done = server.command(*command, check=False)
        assert done.returncode != 0 and "object.upstreams" in done.stdout + done.stderr


def test_inline_secrets_are_not_shown(make_tern, moto):
    server = make_tern(env={"TERN_OBJECT_UPSTREAMS": f"b {moto} key_id=id secret={SECRET} token={SECRET}"})
    shown = server.command("config", "show").stdout
    assert "key_id=id secret=*** token=***" in shown and SECRET not in shown
