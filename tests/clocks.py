"""A clock on the wall that a test can set for processes which it starts, by libfaketime.

The monotonic clock stays as it is, as it does where somebody sets the machine's time.
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
    """What the clock of some processes shows: the true time and an offset, which a file holds."""

    file: Path
    looked_at_every_s: int = 0

    def set(self, offset: timedelta) -> None:
        """Set the clock, at once for all who are there."""
        aside = self.file.with_suffix(".new")
        aside.write_text(f"{offset.total_seconds():+.0f}\n")
        aside.replace(self.file)

    def environment(self) -> dict[str, str]:
        """Return what makes a process, and all that it starts, go by this clock."""
        if not self.file.exists():
            self.set(timedelta())
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": str(int(self.looked_at_every_s == 0)),
            "FAKETIME_CACHE_DURATION": str(self.looked_at_every_s),
        }


def can_be_set() -> bool:
    """Whether the wheel's library, which is built for one kind of machine, can be loaded here."""
    env = os.environ | {"LD_PRELOAD": str(_library()), "FAKETIME": "-10y"}
    program = "import datetime; print(datetime.date.today().year)"
    told = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return told.returncode == 0 and told.stdout != there.stdout


def _library() -> Path:
    # Found, not imported: the package wants more packages, for what is not used here.
    spec = importlib.util.find_spec("libfaketime")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / LIBRARY
