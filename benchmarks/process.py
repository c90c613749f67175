"""Running a program in a fresh process, and what it took.

The kernel starts a child's peak at its parent's: whoever measures this way must stay small.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ZPRUNER = str(Path(sys.executable).with_name("zpruner"))


@dataclass(frozen=True)
class Ended:
    """Peak resident bytes of a process that has ended well, and its wall seconds."""

    peak_bytes: int
    seconds: float


def run(command: list[str]) -> Ended:
    """Run a program to its end; what it prints goes to standard error.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    to_stderr = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=to_stderr)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {os.waitstatus_to_exitcode(status)}")
    return Ended(usage.ru_maxrss * 1024, time.monotonic() - started)
