"""Raw-container tasks. Their commands are written so that they also run where the container's folders are others."""
import datetime
import enum
import pathlib
import tempfile
from typing import Optional

import flyte
import flyte.io
from flyte.extras import ContainerTask
from flyte.io import Dir, File

IMAGE = "box:1"
ENVS = []


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


def shell(name, script, inputs=None, outputs=None, **options):
    """A task, in an environment of its own: tasks of one environment must have one image object."""
    task = ContainerTask(name=name, image=IMAGE, command=["/bin/sh", "-c", script], inputs=inputs, outputs=outputs, **options)
    ENVS.append(flyte.TaskEnvironment.from_task(f"env_{name}", task))
    return task


types = shell(
    "types",
    "cd /var/inputs && for x in s i f b t d; do cp $x /var/outputs/o_$x; done && cat inputs.json > /var/outputs/all.txt",
    {"s": str, "i": int, "f": float, "b": bool, "t": datetime.datetime, "d": datetime.timedelta},
    {"o_s": str, "o_i": int, "o_f": float, "o_b": bool, "o_t": datetime.datetime, "o_d": datetime.timedelta, "all": str})
templates = shell("templates", "echo '{{.inputs.a}} {{ .inputs.n }} {{.inputs.f}} {{.inputs.b}}' > /var/outputs/text",
                  {"a": str, "n": int, "f": float, "b": bool}, {"text": str})
files = shell(
    "files",
    "cd /var/inputs && cp one /var/outputs/file && cp -r many /var/outputs/folder && echo more > /var/outputs/folder/new",
    {"one": File, "many": Dir}, {"file": File, "folder": Dir})
named = shell("named", "cd /var/inputs/one && ls > /var/outputs/names", {"one": File}, {"names": str},
              file_input_layout="NAMED_DIR")
counts = shell("counts", "ls /var/inputs/many | wc -l > /var/outputs/n", {"many": Dir}, {"n": int})
large = shell("large", "dd if=/dev/zero of=/var/outputs/zeros bs=1048576 count=300 && echo end >> /var/outputs/zeros", None,
              {"zeros": File})
lists = shell(
    "lists", "cd /var/inputs && cp -r numbers /var/outputs/back && cp -r table /var/outputs/map",
    {"numbers": list[int], "table": dict[str, str]}, {"back": list[int], "map": dict[str, str]})
maybe = shell("maybe", "cp /var/inputs/x /var/outputs/a && echo RED > /var/outputs/c", {"x": Optional[int]},
              {"a": Optional[int], "b": Optional[int], "c": Colour})
tables = shell("tables", "cp -r /var/inputs/t /var/outputs/back", {"t": flyte.io.DataFrame}, {"back": flyte.io.DataFrame})
no_choice = shell("no_choice", "echo blue > /var/outputs/c", None, {"c": Colour})
yaml = shell("yaml", "cat /var/inputs/inputs.yaml > /var/outputs/text", {"a": str, "n": int}, {"text": str},
             metadata_format="YAML")
exits = shell("exits", "echo before the end; exit 7", None, None)
missing = shell("missing", "true", None, {"result": str})
wrong = shell("wrong", "echo twelve > /var/outputs/result", None, {"result": int})
link = shell("link", "ln -s /etc/hostname /var/outputs/result", None, {"result": str})
link_below = shell("link_below", "mkdir /var/outputs/folder && ln -s /etc /var/outputs/folder/etc", None, {"folder": Dir})
pipe = shell("pipe", "mkfifo /var/outputs/result", None, {"result": File})
tells = shell("tells", "echo the pears are bad > /var/outputs/_ERROR", None, {"result": str})
tricky = shell("tricky", "true", None, {"../../escape": str})
tricky_input = shell("tricky_input", "true", {"../../escape": str}, None)
waits = shell("waits", "echo begun > /var/outputs/text; sleep 300", None, {"text": str})
stubborn = shell("stubborn", "trap '' TERM; echo begun > /var/outputs/text; while true; do sleep 1; done", None,
                 {"text": str})
slow = shell("slow", "sleep 300", None, None, timeout=2)
lives = shell("lives", "echo begun; while ! test -e /var/inputs/go; do sleep 0.1; done; echo ended > /var/outputs/text",
              {"text": str}, {"text": str})
variables = shell("variables", "env > /var/outputs/text", None, {"text": str},
                  env_vars={"COLOUR": "blue", "PATH": "/bin:/usr/bin:/odd", "LINES2": "a\nb"},
                  secrets=[flyte.Secret(key="pear", as_env_var="PEAR")])
resources = shell("resources", "echo ok > /var/outputs/text", None, {"text": str},
                  resources=flyte.Resources(cpu="500m", memory="200Mi"))
hungry = shell("hungry", "exit 137", None, None, resources=flyte.Resources(memory="64Mi"))
hungrier = shell("hungrier", "exit 137", None, None, resources=flyte.Resources(memory="65Mi"))
killed = shell("killed", "exit 137", None, None)
secret_file = shell("secret_file", "cat /etc/flyte/secrets/plum > /var/outputs/text", None, {"text": str},
                    secrets=[flyte.Secret(key="plum", mount=pathlib.Path("/etc/flyte/secrets"))])
secret_path = shell("secret_path", "true", None, None, secrets=[flyte.Secret(key="plum", as_env_var="DOCKER_HOST")])
option_image = ContainerTask(name="option_image", image="--privileged", command=["true"])
ENVS.append(flyte.TaskEnvironment.from_task("env_option_image", option_image))
unstartable_image = ContainerTask(name="no_image", image="registry.invalid/none:1", command=["true"])
ENVS.append(flyte.TaskEnvironment.from_task("env_no_image", unstartable_image))

env = flyte.TaskEnvironment(name="caller", depends_on=list(ENVS))


@env.task
async def calls(name: str) -> str:
    return await templates(a=name, n=1, f=0.1, b=True)


@env.task
async def moves() -> list[str]:
    """A file and a folder through a container."""
    root = pathlib.Path(tempfile.mkdtemp())
    (root / "many" / "deep").mkdir(parents=True)
    (root / "one.bin").write_bytes(bytes(range(256)) * 1000)
    (root / "many" / "a").write_text("first")
    (root / "many" / "deep" / "b c").write_text("second")
    file, folder = await files(one=await File.from_local(str(root / "one.bin")), many=await Dir.from_local(str(root / "many")))
    same = pathlib.Path(await file.download()).read_bytes() == bytes(range(256)) * 1000
    back = pathlib.Path(await folder.download(tempfile.mkdtemp()))
    found = {p.name: p.read_text() for p in back.rglob("*") if p.is_file()}
    return [str(same), *(f"{k}={found[k]}" for k in sorted(found))]


@env.task
async def names() -> str:
    path = pathlib.Path(tempfile.mkdtemp()) / "reads.fastq"
    path.write_text("ACGT")
    return await named(one=await File.from_local(str(path), f"{flyte.ctx().raw_data_path.path}/reads.fastq"))


@env.task
async def many() -> int:
    """More files than one page of a bucket's list has."""
    root = pathlib.Path(tempfile.mkdtemp()) / "many"
    root.mkdir()
    for i in range(1100):
        (root / f"{i} ä").write_text(str(i))
    return await counts(many=await Dir.from_local(str(root)))


@env.task
async def table() -> int:
    import pandas

    back = await tables(t=flyte.io.DataFrame.from_df(pandas.DataFrame({"n": range(10)})))
    return int((await back.open(pandas.DataFrame).all())["n"].sum())


@env.task
async def large_sum() -> tuple[int, str, bool]:
    path = pathlib.Path(await (await large()).download())
    with open(path, "rb") as f:
        zeros = all(not any(f.read(1 << 20)) for _ in range(300))
        return path.stat().st_size, f.read().decode(), zeros
