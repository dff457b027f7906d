"""The wall clock of programs, by libfaketime: it can be set while they run."""
import os
import pathlib
import re
import subprocess

import pytest

LIBRARY = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def sanitizers(program):
    """Their libraries have to come before others that are loaded first."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"=> (/\S*/lib[at]san\.so\S*)", linked)


class WallClock:
    """env: for all programs that are to have this clock. program: of the server, which may be built with a sanitizer."""

    def __init__(self, folder, program):
        if not LIBRARY:
            pytest.skip("needs the Debian package libfaketime")
        self.file = folder / "faketime"
        self.set(0)
        # CLOCK_MONOTONIC and CLOCK_BOOTTIME do not jump when somebody sets the time; times of files are what was stored.
        self.env = {"LD_PRELOAD": " ".join([*sanitizers(program), str(LIBRARY)]), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                    # Else a wait with a monotonic deadline returns at once, and threads that sleep spin.
                    "FAKETIME_FORCE_MONOTONIC_FIX": "0"}

    def set(self, seconds):
        """So many seconds from the true time."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.rename(new, self.file)
