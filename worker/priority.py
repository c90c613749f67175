"""The CPU priority of workers: a busy worker must not slow down an API on the same machine."""

import os
from contextlib import suppress
from pathlib import Path

NICE = 10
AUTOGROUP = Path("/proc/self/autogroup")


def lower_priority() -> None:
    """Lower the CPU priority of this process and of all processes that it starts later.

    A second call changes nothing.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    # If Linux groups processes by session, niceness counts only within a group, so the processes
    # of a worker all stay in its session. The group of a user's shell is not changed.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(NICE))
