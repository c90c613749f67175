"""Computing gives way to answering: a busy worker must not slow down the API beside it."""

import os
from contextlib import suppress
from pathlib import Path

NICE = 10
AUTOGROUP = Path("/proc/self/autogroup")


def step_back() -> None:
    """Lower this process's priority, and so that of the processes it starts; twice is as once."""
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    # Where Linux groups processes by session, niceness counts only within a group. A group that a
    # person's shell leads is left alone.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            AUTOGROUP.write_text(str(NICE))
