"""A wall clock that a test can set for the processes that it starts, by libfaketime.

The monotonic clock does not change, as when the time of a machine is set.
"""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"


@dataclass(frozen=True)
class WallClock:
    """The wall clock of some processes: the true time plus an offset, which is stored in a file."""

    file: Path
    read_every_s: int = 0

    def set(self, offset: timedelta) -> None:
        """Set the clock of all running processes."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset.total_seconds():+.0f}\n")
        new.replace(self.file)

    def environment(self) -> dict[str, str]:
        """Return the variables that make a process and its children use this clock."""
        if not self.file.exists():
            self.set(timedelta())
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": str(int(self.read_every_s == 0)),
            "FAKETIME_CACHE_DURATION": str(self.read_every_s),
        }


def can_be_set() -> bool:
    """Whether this machine can load the library, whose wheel is built for one architecture."""
    env = os.environ | {"LD_PRELOAD": str(_library()), "FAKETIME": "-10y"}
    program = "import datetime; print(datetime.date.today().year)"
    changed = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True
    )
    unchanged = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return changed.returncode == 0 and changed.stdout != unchanged.stdout


def _library() -> Path:
    # Not imported: the package requires further packages that are not needed here.
    spec = importlib.util.find_spec("libfaketime")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / LIBRARY
