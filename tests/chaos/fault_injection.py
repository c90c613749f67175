"""Faults injected into a process at its n-th write to files or to the database.

A process that is killed between two writes leaves the same state as one killed at the second, so
that killing it at each write covers every moment.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

_ON_DISK = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"}
)
Fault = Callable[[], None]


def kill() -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Suspend this process until it gets SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fill_the_disk() -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


class FaultInjector:
    """Counts this process's writes, and causes a fault at one of them.

    Attributes:
        writes: the number of writes so far.
    """

    def __init__(self, below: str, at: int | None = None, fault: Fault = kill) -> None:
        """Count writes below a folder; the fault happens at write ``at``, counted from 1."""
        self.writes, self._below, self._at, self._fault = 0, below, at, fault

    def watch_files(self) -> None:
        """Count files that are written, renamed or deleted; this cannot be undone."""
        sys.addaudithook(self._audited)

    def watch_rows(self, engine: Engine) -> None:
        """Count each statement and each commit."""
        event.listen(engine, "before_cursor_execute", self._count)
        event.listen(engine, "commit", self._count)

    def _audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[2], int)
        writes = writes and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (writes or name in _ON_DISK) and str(arguments[0]).startswith(self._below):
            self._count()

    def _count(self, *_: object) -> None:
        self.writes += 1
        if self.writes == self._at:
            self._fault()
