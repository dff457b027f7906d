"""Plain HTTP to the API: what no SDK would send."""
import base64
import hashlib
import http.client
import json
import socket
import struct
import urllib.parse

ARTIFACTS = "/flyteidl2.artifact.ArtifactService/"
PROJECTS = "/flyteidl2.project.ProjectService/"
RUNS = "/flyteidl2.workflow.RunService/"
TIMEOUT_S = 60


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = {}
        self.code = None if status == 200 else self.json.get("code")
        self.message = self.json.get("message", "")

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


def split(endpoint):
    host, _, port = endpoint.rpartition(":")
    return host, int(port)


def post(endpoint, path, body, content_type="application/json", headers=None, method="POST"):
    connection = http.client.HTTPConnection(*split(endpoint), timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, {"Content-Type": content_type, **(headers or {})})
        r = connection.getresponse()
        return Answer(r.status, r.headers, r.read())
    finally:
        connection.close()


def call(endpoint, path, message, **options):
    """A unary RPC in JSON."""
    return post(endpoint, path, json.dumps(message).encode(), **options)


def run_page(endpoint, name, **query):
    """The HTML of a run's page; query: action, attempt."""
    path = f"/v2/domain/development/project/flytesnacks/runs/{name}?{urllib.parse.urlencode(query)}"
    return post(endpoint, path, None, method="GET").body.decode()


def frame(payload, flags=0):
    return struct.pack(">BI", flags, len(payload)) + payload


def frames(body):
    while len(body) >= 5:
        flags, n = struct.unpack(">BI", body[:5])
        yield flags, body[5:5 + n]
        body = body[5 + n:]


def stream_error(answer):
    """(code, message) of the end of a Connect stream; (None, "") when it ended well."""
    for flags, payload in frames(answer.body):
        if flags & 2:
            error = json.loads(payload).get("error", {})
            return error.get("code"), error.get("message", "")
    return "no end", ""


def open_stream(endpoint, path, message, receive_bytes=None):
    """A server stream as the SDK opens it: HTTP/1.1, a connection of its own; the socket, request sent."""
    host, port = split(endpoint)
    body = frame(json.dumps(message).encode())
    head = (f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/connect+json\r\n"
            f"Connect-Protocol-Version: 1\r\nContent-Length: {len(body)}\r\n\r\n")
    s = socket.socket()
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.settimeout(TIMEOUT_S)
    s.connect(("127.0.0.1", port))
    s.sendall(head.encode() + body)
    return s


class Watch:
    """A server stream and what it tells: `with Watch(...) as w: w.next()`; no message within TIMEOUT_S is an error."""

    def __init__(self, endpoint, path, message):
        self.connection = http.client.HTTPConnection(*split(endpoint), timeout=TIMEOUT_S)
        self.connection.request("POST", path, frame(json.dumps(message).encode()),
                                {"Content-Type": "application/connect+json"})
        self.answer = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        flags, n = struct.unpack(">BI", self.answer.read(5))
        message = json.loads(self.answer.read(n))
        assert not flags & 2, f"the stream ended: {message}"
        return message


# ---- messages -----------------------------------------------------------------------------------------------------

PROJECT = {"name": "flytesnacks", "domain": "development", "organization": ""}


def create_project(endpoint, name):
    return call(endpoint, PROJECTS + "CreateProject", {"project": {"id": name, "name": name}})


def projects(endpoint):
    a = call(endpoint, PROJECTS + "ListProjects", {})
    assert a.status == 200, a
    return {p["id"] for p in a.json["projects"]["projects"]}


def upload(endpoint, data, name="file"):
    """(address, headers) with which data is to be PUT at the S3 endpoint; the address as urlsplit() gives it."""
    digest = base64.b64encode(hashlib.md5(data).digest()).decode()
    a = call(endpoint, "/flyteidl2.dataproxy.DataProxyService/CreateUploadLocation",
             {"project": "flytesnacks", "domain": "development", "filename": name, "contentMd5": digest,
              "contentLength": str(len(data))})
    assert a.status == 200, a
    address = urllib.parse.urlsplit(a.json["signedUrl"])
    return address, {"Host": address.netloc, "Content-Length": str(len(data)), "Content-MD5": digest,
                     **a.json.get("headers", {})}


def run_id(name):
    return {"org": "", "project": "flytesnacks", "domain": "development", "name": name}


def task_spec(kind, interface=None):
    template = {"id": {"resourceType": "TASK", "project": "flytesnacks", "domain": "development", "name": f"t.{kind}",
                       "version": "v1"}, "type": kind, "interface": interface or {}}
    return {"taskTemplate": template, "shortName": kind}


def sleeper(name, seconds=3600):
    """CreateRun of a task that runs inside the engine for so long."""
    interface = {"inputs": {"variables": [{"key": "duration", "value": {"type": {"simple": "DURATION"}}}]}}
    value = {"scalar": {"primitive": {"duration": f"{seconds}s"}}}
    return {"runId": run_id(name), "taskSpec": task_spec("core-sleep", interface),
            "inputs": {"literals": [{"name": "duration", "value": value}]}, "runSpec": {}}


def create_run(endpoint, message):
    return call(endpoint, RUNS + "CreateRun", message)


def child(run, name, parent, inputs_uri, short_name):
    """Enqueue of a child that sleeps like its root, in the engine; inputs_uri: the root's."""
    spec = dict(sleeper(run)["taskSpec"], shortName=short_name)
    return {"action": {"actionId": {"run": run_id(run), "name": name}, "parentActionName": parent,
                       "inputUri": inputs_uri, "runOutputBase": inputs_uri.removesuffix("inputs.pb"),
                       "task": {"spec": spec}}}


def abort(endpoint, run, action):
    return call(endpoint, RUNS + "AbortAction", {"actionId": {"run": run_id(run), "name": action}, "reason": "test"})


def details(endpoint, name, project="flytesnacks"):
    a = call(endpoint, RUNS + "GetRunDetails", {"runId": {**run_id(name), "project": project}})
    assert a.status == 200, a
    return a.json["details"]


def error(endpoint, name, action="a0"):
    """errorInfo, of which older SDKs do not know the code."""
    a = call(endpoint, RUNS + "GetActionDetails", {"actionId": {"run": run_id(name), "name": action}})
    return a.json["details"]["errorInfo"]


def phase(endpoint, name):
    return details(endpoint, name)["action"]["status"]["phase"]


def duration_ns(duration):
    """Of a google.protobuf.Duration in JSON."""
    seconds, _, fraction = duration.removesuffix("s").partition(".")
    return int(seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))


def varint(n):
    """As in the binary form of protobuf messages."""
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    """A field of a protobuf message that has bytes: a text, a message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload
