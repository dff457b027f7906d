"""Images with layers: built as environments by the server."""
import os

import flyte

image = (flyte.Image.from_debian_base(name="tern-test").with_pip_packages("six==1.16.0")
         .with_env_vars({"FROM_IMAGE": "yes"}))
env = flyte.TaskEnvironment(name="images", image=image)


@env.task
def uses_six() -> list[str]:
    import six
    return [six.__version__, os.environ["FROM_IMAGE"], six.__file__]


apt = flyte.TaskEnvironment(name="apt", image=flyte.Image.from_debian_base(name="tern-apt").with_apt_packages(
    "a-package-that-does-not-exist"))


@apt.task
def never() -> int:
    return 1


plain = flyte.TaskEnvironment(name="plain")


@plain.task
def needs_missing_module() -> int:
    import a_module_that_is_not_there
    return 1
