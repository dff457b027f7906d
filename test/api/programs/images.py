"""Images with layers: built as environments by the server."""
import importlib.metadata
import os
import pathlib
import sys

import flyte
from flyte._image import PythonWheels

FILES = pathlib.Path(__file__).parent / "image_files"

image = (flyte.Image.from_debian_base(name="tern-test").with_pip_packages("six==1.16.0")
         .with_env_vars({"FROM_IMAGE": "yes"}))
env = flyte.TaskEnvironment(name="images", image=image)


@env.task
def uses_six() -> list[str]:
    import six
    return [six.__version__, os.environ["FROM_IMAGE"], six.__file__]


def refused(name, add):
    """A task whose image has a layer that needs a container."""
    return flyte.TaskEnvironment(name=name, image=add(flyte.Image.from_debian_base(name=f"tern-{name}")))


apt = refused("apt", lambda i: i.with_apt_packages("a-package-that-does-not-exist"))
commands = refused("commands", lambda i: i.with_commands(["echo hello > /etc/motd"]))
no_python = flyte.TaskEnvironment(name="no_python", image=flyte.Image.from_debian_base(
    name="tern-python", python_version=(3, 14)).with_env_vars({"A": "1"}))


@apt.task
def never() -> int:
    return 1


@commands.task
def never_commands() -> int:
    return 1


not_there = flyte.TaskEnvironment(name="not_there", image=flyte.Image.from_debian_base(
    name="tern-not-there").with_pip_packages("a-package-that-nobody-has"))


@not_there.task
def never_installed() -> int:
    return 1


@no_python.task
def never_python() -> int:
    return 1


full = flyte.TaskEnvironment(name="full", image=(
    flyte.Image.from_debian_base(name="tern-full")
    .with_source_file(FILES / "greeting.txt")
    .with_source_file(FILES / "greeting.txt", "/root/data/")
    .with_source_file(FILES / "greeting.txt", "/opt/tern-test/renamed.txt")
    .with_source_folder(FILES / "words")
    .with_poetry_project(FILES / "poetry_words" / "pyproject.toml", project_install_mode="install_project")
    .with_uv_project(FILES / "uv_words" / "pyproject.toml", project_install_mode="install_project")))


@full.task
def reads_files() -> list[str]:
    names = ["greeting.txt", "data/greeting.txt", "/opt/tern-test/renamed.txt", "words/note.txt"]
    texts = [pathlib.Path(n).read_text().strip() for n in names]
    for name in names:  # what a task writes is its own
        pathlib.Path(name).write_text("changed")
    return texts


@full.task
def imports_projects() -> list[str]:
    import poetry_words
    import uv_words
    import words
    return [*poetry_words.WORDS, *uv_words.WORDS, *words.LIST, importlib.metadata.version("six"),
            importlib.metadata.version("iniconfig")]


script = flyte.TaskEnvironment(name="script", image=flyte.Image.from_uv_script(
    FILES / "script.py", name="tern-script"))


@script.task
def runs_in_script_image() -> str:
    return importlib.metadata.version("six")


INDEX = os.environ.get("TERN_TEST_INDEX", "localhost:1")
private = flyte.TaskEnvironment(name="private", image=flyte.Image.from_debian_base(
    name="tern-private").with_pip_packages("tern-private-words", secret_mounts="TERN_INDEX_TOKEN",
                                           extra_index_urls=f"http://user:$TERN_INDEX_TOKEN@{INDEX}/simple/"))


@private.task
def uses_private_package() -> str:
    import tern_private_words
    return tern_private_words.WORDS


# Slow to come: the test's index holds it back.
held = flyte.TaskEnvironment(name="held", image=flyte.Image.from_debian_base(
    name="tern-held").with_pip_packages("tern-held-words", extra_index_urls=f"http://{INDEX}/simple/"))


@held.task
def uses_held_package() -> str:
    import tern_held_words
    return tern_held_words.WORDS


# The folder is the test's; the registry has newer ones of the same name.
WHEELS = pathlib.Path(os.environ.get("TERN_TEST_WHEELS", "/nonexistent"))
from_files = flyte.TaskEnvironment(name="from_files", image=(
    flyte.Image.from_debian_base(name="tern-from-files")
    .with_apt_packages("dpkg")
    .with_requirements(FILES / "requirements.txt")
    .clone(addl_layer=PythonWheels(wheel_dir=WHEELS, package_name="iniconfig"))))


@from_files.task
def uses_requirements_and_wheel() -> list[str]:
    import iniconfig
    return [importlib.metadata.version("six"), importlib.metadata.version("iniconfig"), iniconfig.WORDS]


dockerfile = flyte.TaskEnvironment(name="dockerfile", image=flyte.Image.from_dockerfile(
    FILES / "Dockerfile", registry="localhost:1", name="tern-dockerfile"))


@dockerfile.task
def never_dockerfile() -> int:
    return 1


machines = flyte.TaskEnvironment(name="machines", image=flyte.Image.from_debian_base(
    name="tern-machines").with_pip_packages("tern-private-words"))


@machines.task
def uses_package_of_the_machines_index() -> str:
    import tern_private_words
    return tern_private_words.WORDS


OTHER = tuple(int(n) for n in os.environ.get("TERN_TEST_PYTHON", "3.12").split("."))
OTHER_SDK = "2.12.1" if flyte.__version__ == "2.6.6" else "2.6.6"
other = flyte.TaskEnvironment(name="other", image=flyte.Image.from_debian_base(
    name="tern-other", python_version=OTHER, flyte_version=OTHER_SDK).with_env_vars({"A": "1"}))


@other.task
def says_versions() -> list[str]:
    return [f"{sys.version_info[0]}.{sys.version_info[1]}", importlib.metadata.version("flyte")]


plain = flyte.TaskEnvironment(name="plain")


@plain.task
def answer() -> int:
    return 42


@plain.task
def needs_missing_module() -> int:
    import a_module_that_is_not_there
    return 1
