"""Tasks that a connector runs (test/api/connector/jobs.py)."""
import inspect

import flyte
from flyte.extend import TaskTemplate
from flyte.models import NativeInterface


class Job(TaskTemplate):
    """Of type "job", without a container, as the plugins of the SDK for warehouses are."""

    def __init__(self, name, custom=None, **options):
        interface = NativeInterface(inputs={"how": (str, inspect.Parameter.empty), "message": (str, inspect.Parameter.empty)},
                                    outputs={"o0": int})
        super().__init__(name=name, interface=interface, task_type="job", image=None, **options)
        self.custom = custom or {}

    def custom_config(self, sctx):
        return self.custom


job = Job("job")
twice = Job("twice", retries=1)
signed = Job("signed", custom={"secrets": {"password": "JOBS_PASSWORD"}, "configs": {"warehouse": "big"}})
env = flyte.TaskEnvironment.from_task("connected", job, twice, signed)

with_parent = flyte.TaskEnvironment(name="with_parent", depends_on=[env])


@with_parent.task
async def parent(message: str) -> int:
    return await job(how="SUCCEEDED", message=message) + 1
