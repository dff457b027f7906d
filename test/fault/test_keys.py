"""Storage keys of attempts hold and end whatever is killed (D-11)."""
import os
import time

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

import holder
import world


class Held:
    """An attempt that runs, and a client with its keys."""

    def __init__(self, w, name):
        self.world, self.path = w, w.folder / name
        self.run = w.submit(holder.hold, path=str(self.path))
        world.eventually("the task's keys", self.path.exists)
        endpoint, key, secret, base = self.path.read_text().split("\n")
        self.key = base.removeprefix("s3://tern/") + "/a0/1/note"
        self.client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                                   region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))

    def writes(self):
        """Whether the key is good, once an endpoint answers."""
        return world.eventually("an answer", self.ask) == "good"

    def ask(self):
        try:
            self.client.put_object(Bucket="tern", Key=self.key, Body=b"x")
            return "good"
        except botocore.exceptions.EndpointConnectionError:
            return None
        except botocore.exceptions.ClientError as e:
            return e.response["Error"]["Code"]

    def let_go(self):
        self.path.with_name(self.path.name + ".go").touch()

    def file(self):
        return next(p for p in (self.world.data / "run" / "keys").iterdir() if self.key[:-11] in p.read_text())


@pytest.mark.quick
def test_keys_outlive_every_process_of_tern(make_world):
    w = make_world()
    running, ended = Held(w, "running"), Held(w, "ended")
    ended.let_go()
    w.assert_value(ended.run, "let go")
    until = ended.file().stat().st_mtime
    assert 0 < until - time.time() <= 600
    w.kill()
    assert running.writes() and ended.writes(), "without a server"
    world.kill(w.s3_pid())
    assert running.writes(), "a new endpoint"
    world.kill(w.supervisor_pid())
    assert running.writes(), "without a supervisor"
    os.utime(ended.file(), (1, 1))  # as if the ten minutes had passed
    assert not ended.writes()
    running.let_go()  # nobody takes note of its end
    world.eventually("end of the task", lambda: not any(b"a0" in world.read(f"/proc/{p}/cmdline") and
                                                        b"zygote" not in world.read(f"/proc/{p}/cmdline")
                                                        for p in w.processes()))
    w.restart()
    w.assert_value(running.run, "let go")
    assert 0 < running.file().stat().st_mtime - time.time() <= 600
    assert running.writes() and not ended.writes()
