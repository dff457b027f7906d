"""Images on one machine: environments built once, reused, refused with a clear error."""
import re

import images


def test_image_is_built_once_and_used(tern, cli):
    done = cli("run", "--follow", "images.py", "uses_six", timeout=280)
    name = re.search(r"Created Run: ([a-z0-9-]+)", done.stdout).group(1)
    out = cli("get", "io", name).stdout
    assert "1.16.0" in out and "yes" in out
    again = cli("run", "--follow", "images.py", "uses_six", timeout=60)
    assert "Submitting a new build" not in again.stdout + again.stderr
    assert len([p for p in (tern.data / "venvs").iterdir() if (p / "tern-complete").exists() and not p.is_symlink()]) == 1


def test_apt_packages_that_are_missing_are_named(cli):
    done = cli("run", "images.py", "never", check=False, timeout=120)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    build = re.search(r"Started build at: \S*/runs/([a-z0-9]+)", text).group(1)
    logs = cli("get", "logs", build).stdout.replace("\n", " ")
    assert "apt-get install" in logs and "a-package-that-does-not-exist" in logs.replace(" ", "")


def test_missing_module_says_which_image_and_environment(run):
    r = run(images.needs_missing_module, expect="failed")
    message = r.details().action_details.pb2.error_info.message
    assert "a_module_that_is_not_there" in message
