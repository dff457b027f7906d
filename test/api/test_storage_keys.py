"""The storage keys of attempts: what they reach, and until when (D-11, D-14)."""
import os
import time

import boto3
import botocore.exceptions
import flyte.remote
import pytest
import storage
from botocore.config import Config

OTHER = "otherteam"


@pytest.fixture(scope="module")
def other(tern):
    """A second project."""
    tern.cli("create", "project", "--id", OTHER, "--name", OTHER)
    return {"project": OTHER}


def s3(endpoint, key, secret, *_):
    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        region_name="us-east-1", config=Config(s3={"addressing_style": "path"},
                                                               retries={"total_max_attempts": 1}))


def refused(call, **args):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(Bucket="tern", **args)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return e.value.response["Error"]


def base_of(keys):
    return keys[3].removeprefix("s3://tern/").rstrip("/") + "/"


def outputs_key(client, base):
    names = [o["Key"] for o in client.list_objects_v2(Bucket="tern", Prefix=base)["Contents"]]
    return next(n for n in names if n.endswith("/outputs.pb"))


def end_keys(tern):
    """As if the ten minutes of every attempt that has ended had passed."""
    for path in (tern.data / "run" / "keys").iterdir():
        if path.stat().st_mtime < time.time() + 3600:
            os.utime(path, (1, 1))


def test_a_key_writes_below_its_own_run_only(run):
    keys, neighbour = run(storage.keys).outputs()[0], run(storage.keys).outputs()[0]
    client, base, theirs = s3(*keys), base_of(keys), base_of(neighbour)
    client.put_object(Bucket="tern", Key=base + "a0/1/more", Body=b"mine")
    assert client.get_object(Bucket="tern", Key=base + "a0/1/more")["Body"].read() == b"mine"
    for key in (outputs_key(client, theirs), theirs + "a0/1/raw/x", "uploads/flytesnacks/development/x/y",
                "flytesnacks/development/x", base[:-1] + "0/a0/1/outputs.pb", "x", "rawdata/x",
                theirs + base + "a0/1/outputs.pb"):
        error = refused(client.put_object, Key=key, Body=b"no")
        assert error["Code"] == "AccessDenied" and key[:40] in error["Message"], error
        refused(client.delete_object, Key=key)
        refused(client.create_multipart_upload, Key=key)
        refused(client.copy_object, Key=key, CopySource={"Bucket": "tern", "Key": base + "a0/1/more"})
    done = client.delete_objects(Bucket="tern", Delete={"Objects": [{"Key": theirs + "a0/1/outputs.pb"}]})
    assert done["Errors"][0]["Code"] == "AccessDenied"


def test_a_key_reads_its_own_project_only(run, other):
    mine, same, theirs = (run(storage.keys, context=c).outputs()[0] for c in ({}, {}, other))
    client = s3(*mine)
    assert outputs_key(client, base_of(same))
    foreign = base_of(theirs)
    name = outputs_key(s3(*theirs), foreign)
    for call, args in ((client.get_object, {"Key": name}), (client.list_objects_v2, {"Prefix": foreign}),
                       (client.list_objects_v2, {"Prefix": ""}), (client.list_objects_v2, {"Prefix": "flytesnack"}),
                       (client.get_object, {"Key": f"uploads/{OTHER}/development/x/y"}),
                       (client.copy_object, {"Key": base_of(mine) + "a0/1/x",
                                             "CopySource": {"Bucket": "tern", "Key": name}})):
        refused(call, **args)
    client.list_objects_v2(Bucket="tern", Prefix="uploads/flytesnacks/")


def test_a_key_ends_ten_minutes_after_its_attempt(run, tern, tmp_path, sdk):
    gate = tmp_path / "gate"
    gate.touch()
    running = sdk.run(storage.keys_while, path=str(gate))
    keys = run(storage.keys).outputs()[0]
    until = max(p.stat().st_mtime for p in (tern.data / "run" / "keys").iterdir()
                if p.stat().st_mtime < time.time() + 3600)
    assert abs(until - time.time() - 600) < 120
    client, name = s3(*keys), base_of(keys) + "a0/1/late"
    client.put_object(Bucket="tern", Key=name, Body=b"still good")
    end_keys(tern)
    refused(client.put_object, Key=name, Body=b"too late")
    refused(client.get_object, Key=name)
    gate.unlink()
    running.wait(quiet=True)
    assert running.outputs()[0][3].endswith(running.name)


def test_reused_results_of_another_project_can_be_read(run, other, tmp_path):
    name = tmp_path.name
    made = run(storage.read_cached, name=name, context=other)
    text = made.outputs()[0]
    assert text == f"{name} of {made.name}"
    assert run(storage.read_cached, name=name).outputs()[0] == text, "made again"
    assert run(storage.cached_file, name=name).details().action_details.pb2.status.cache_status == 2


def test_inputs_may_name_objects_of_another_project(run, other):
    theirs = run(storage.make_file, text="from the others", context=other).outputs()[0]
    assert run(storage.read_file, f=theirs).outputs()[0] == "from the others"
    hidden = theirs.path.replace("/", "+").replace("s3:++", "s3:+", 1)
    failed = run(storage.read_uri, uri=hidden, expect="failed")
    assert "AccessDenied" in str(failed.details().action_details.error_info.message) or "403" in str(
        failed.details().action_details.error_info.message)


def test_code_of_another_projects_task_can_be_read(run, sdk, other, tern):
    tern.cli("deploy", "--project", OTHER, "--version", "v1", "storage.py", "env")
    task = flyte.remote.Task.get("storage.keys", project=OTHER, version="v1")
    assert run(task).outputs()[0][3].startswith("s3://tern/flytesnacks/")


def test_raw_data_elsewhere(run):
    prefix = "s3://tern/rawdata"
    made = run(storage.make_file, text="raw", context={"raw_data_path": prefix})
    f = made.outputs()[0]
    assert f.path.startswith(f"{prefix}/{made.name}/")
    assert run(storage.read_file, f=f).outputs()[0] == "raw"
    keys = run(storage.keys, context={"raw_data_path": prefix}).outputs()[0]
    refused(s3(*keys).put_object, Key=f.path.removeprefix("s3://tern/"), Body=b"not mine")
