"""Run a program in a new process and measure its peak memory and time.

The recorded peak of a child starts at that of its parent, so the measuring process must stay small.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ZPRUNER = str(Path(sys.executable).with_name("zpruner"))


@dataclass(frozen=True)
class Usage:
    """Peak resident bytes and wall-clock seconds of a process."""

    peak_bytes: int
    seconds: float


def run(command: list[str]) -> Usage:
    """Run a program and return its usage; its standard output is redirected to standard error.

    Raises:
        SystemExit: the program failed.
    """
    started = time.monotonic()
    to_stderr = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=to_stderr)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {os.waitstatus_to_exitcode(status)}")
    return Usage(usage.ru_maxrss * 1024, time.monotonic() - started)
