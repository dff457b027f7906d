"""What schemathesis checks and sends, beyond what it knows by itself (test_rest.py runs it)."""
import json
import os

import schemathesis

MISSING = set(json.loads(os.environ["REST_MISSING"]))
RUN = os.environ["REST_RUN"]
# Streams would last as long as the client likes.
STREAM_TIMEOUT = "300m"
# RPCs that are there answer UNIMPLEMENTED to these: a link for an app, a form of values that have none; and that there is no
# login.
NOT_YET = ("app_id: this version does not run apps", "which no form shows", "no authorization server is configured")


def definition(case):
    return case.operation.definition.raw


def rpc_of(case):
    service, _, method = definition(case)["operationId"].removesuffix(".get").rpartition(".")
    return f"{service}/{method}"


def streams(case):
    return "application/x-ndjson" in definition(case)["responses"]["200"]["content"]


@schemathesis.check
def served(ctx, response, case):
    """No 5xx but 501, which all missing RPCs answer and no other."""
    status, rpc = response.status_code, rpc_of(case)
    if rpc in MISSING:
        assert status in (501, 400, 405, 415), f"{status} from {rpc}, which is missing"
    elif not (status == 501 and any(text in response.text for text in NOT_YET)):
        assert status < 500 or (status == 504 and streams(case)), f"{status} from {rpc}: {response.text[:500]}"


@schemathesis.check
def errors_are_a_status(ctx, response, case):
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    error = response.json()
    assert error["code"] and error["message"] and isinstance(error["details"], list), error


@schemathesis.check
def lines_are_results(ctx, response, case):
    if response.status_code != 200 or not streams(case):
        return
    for line in response.text.splitlines():
        message = json.loads(line)
        assert list(message) in (["result"], ["error"]), message


@schemathesis.hook
def before_call(ctx, case, **kwargs):
    if streams(case):
        case.headers["Grpc-Timeout"] = STREAM_TIMEOUT


def name_what_is_there(value):
    """Half of the identifiers name the run that exists, so that handlers get something to do."""
    if isinstance(value, list):
        for item in value:
            name_what_is_there(item)
    if not isinstance(value, dict):
        return
    if {"project", "domain", "name"} <= value.keys() and all(isinstance(v, str) for v in value.values()):
        if len(value["name"]) % 2:
            value.update(project="flytesnacks", domain="development", name=RUN)
    for item in value.values():
        name_what_is_there(item)


@schemathesis.hook
def map_body(ctx, body):
    name_what_is_there(body)
    return body


@schemathesis.hook
def map_query(ctx, query):
    there = {"project": "flytesnacks", "domain": "development", "name": RUN}
    for key in query or {}:
        parts = key.split(".")
        if len(parts) > 1 and parts[-1] in there and isinstance(query[key], str):
            name = query.get(".".join(parts[:-1] + ["name"]), "")
            if isinstance(name, str) and (len(name) % 2 or name == RUN):
                query[key] = there[parts[-1]]
    return query
