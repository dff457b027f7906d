"""Secrets as variables and as files."""
import os
import pathlib

import flyte

env = flyte.TaskEnvironment(name="secrets", secrets=[flyte.Secret(key="api-key", as_env_var="API_KEY")])
file_env = flyte.TaskEnvironment(name="secret_files", secrets=[
    flyte.Secret(key="cert", mount=pathlib.Path("/etc/flyte/secrets"))])


@env.task
def read_env() -> str:
    return os.environ["API_KEY"]


@file_env.task
def read_file() -> str:
    folder = pathlib.Path(os.environ.get("FLYTE_SECRETS_DEFAULT_DIR", "/etc/flyte/secrets"))
    return next(p for p in folder.rglob("*") if p.is_file() and "cert" in p.name).read_text()
