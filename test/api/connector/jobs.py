"""A connector for the real server of flyte[connector]: jobs are files in $JOBS, whose "phase" tests may change."""
import json
import os
import pathlib
import uuid
from dataclasses import dataclass

from flyte.connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
from flyteidl2.connector.connector_pb2 import (GetTaskLogsResponse, GetTaskLogsResponseBody, GetTaskLogsResponseHeader,
                                               GetTaskMetricsResponse)
from flyteidl2.core.execution_pb2 import TaskExecution, TaskLog
from flyteidl2.core.metrics_pb2 import ExecutionMetricResult
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from google.protobuf import json_format

JOBS = pathlib.Path(os.environ["JOBS"])
LAST = JOBS / "last"  # with it, the connector goes when it has created a job
TO_BE_CONTINUED, LONG_LOG = "to be continued", "500 lines"  # jobs with these messages


@dataclass
class JobMeta(ResourceMeta):
    job: str


def write(path, **what):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(what))
    new.rename(path)


def note(job, what):
    with open(JOBS / f"{job}.calls", "a") as f:
        f.write(what + "\n")


class JobConnector(AsyncConnector):
    name = "Jobs"
    task_type_name = "job"
    metadata_type = JobMeta

    async def create(self, task_template, output_prefix, inputs=None, task_execution_metadata=None, **secrets):
        if inputs and inputs.get("how") == "REFUSE":
            raise ValueError("no such warehouse: 100 % wrong, ü")
        job = uuid.uuid4().hex
        phase = (inputs or {}).get("how", "SUCCEEDED")
        write(JOBS / f"{job}.json", phase=phase, inputs=inputs, output_prefix=output_prefix, secrets=secrets,
              metadata=json_format.MessageToDict(task_execution_metadata), message=(inputs or {}).get("message", ""))
        if LONG_LOG in (inputs or {}).values():
            (JOBS / f"{job}.log").write_text("".join(f"line-{i}\n" for i in range(500)))
        if LAST.exists():
            LAST.unlink()
            os._exit(1)
        return JobMeta(job=job)

    async def get(self, resource_meta, **secrets):
        job = json.loads((JOBS / f"{resource_meta.job}.json").read_text())
        note(resource_meta.job, f"get {json.dumps(secrets)}")
        done = job["phase"] == "SUCCEEDED"
        return Resource(phase=TaskExecution.Phase.Value(job["phase"]), message=job["message"],
                        log_links=[TaskLog(name="Console", uri=f"https://console.example.org/{resource_meta.job}")],
                        outputs={"o0": len(job["inputs"]["message"]) if job["inputs"] else 0} if done else None)

    async def delete(self, resource_meta, **secrets):
        note(resource_meta.job, "delete")

    async def get_metrics(self, resource_meta, **kwargs):
        return GetTaskMetricsResponse(results=[ExecutionMetricResult(metric=resource_meta.job)])

    async def get_logs(self, resource_meta, token="", **kwargs):
        """A page of two lines; its token says where the next begins. The last has none, unless the job is to be continued."""
        job = json.loads((JOBS / f"{resource_meta.job}.json").read_text())
        path = JOBS / f"{resource_meta.job}.log"
        lines = path.read_bytes().decode().split("\n")[:-1] if path.exists() else []
        page = lines[int(token or 0):][:2]
        end = int(token or 0) + len(page)
        more = end < len(lines) or job["message"] == TO_BE_CONTINUED
        yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(lines=[LogLine(message=t) for t in page]))
        yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=str(end) if more else ""))


ConnectorRegistry.register(JobConnector())
