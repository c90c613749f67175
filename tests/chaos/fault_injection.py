"""Faults injected into a process at its n-th write to files or to the database.

A process that is killed between two writes leaves the same state as one killed at the second, so
that killing it at each write covers every moment.
"""

import errno
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event

_READS = ("SELECT", "BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE", "SET", "SHOW")
_FOLDERS = {
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 2,
    "os.chmod": 2,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": None,
}
"""Calls that write, and where their audit events hold the descriptor of the path's folder."""


def kill() -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Suspend this process until it gets SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fill_the_disk() -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


FAULTS = {"kill": kill, "freeze": freeze, "disk": fill_the_disk}


@dataclass(frozen=True)
class FaultPlan:
    """The fault of a process, and the write at which it happens, from 1; None for no fault."""

    fault: str = "kill"
    at: int | None = None

    @property
    def counts_rows(self) -> bool:
        """Whether writes to the database count.

        A full disk affects files only, and a process suspended in a transaction blocks others.
        """
        return self.fault == "kill"


class FaultInjector:
    """Counts this process's writes, and causes a fault at one of them.

    Its hooks cannot be removed, so a process and those forked from it have one injector.

    Attributes:
        writes: the number of writes since ``begin``.
    """

    def __init__(self, below: str) -> None:
        """Count files below a folder, and the statements and commits of every database."""
        self.writes, self._below, self._plan = 0, below, FaultPlan()
        sys.addaudithook(self._audited)
        event.listen(Engine, "before_cursor_execute", self._executed)
        event.listen(Engine, "commit", self._committed)

    def begin(self, plan: FaultPlan) -> None:
        """Count from 0, with this fault."""
        self.writes, self._plan = 0, plan

    def _audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            flags = arguments[2]
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and str(arguments[0]).startswith(self._below):
                self._count()
        elif name in _FOLDERS and _path(name, arguments).startswith(self._below):
            self._count()

    def _executed(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if self._plan.counts_rows and not statement.lstrip().upper().startswith(_READS):
            self._count()

    def _committed(self, _connection: object) -> None:
        if self._plan.counts_rows:
            self._count()

    def _count(self) -> None:
        self.writes += 1
        if self.writes == self._plan.at:
            FAULTS[self._plan.fault]()


def _path(name: str, arguments: tuple[Any, ...]) -> str:
    """Return the path that a call is about, which may be relative to an open folder."""
    path, place = str(arguments[0]), _FOLDERS[name]
    if place is None or arguments[place] == -1:
        return path
    return os.path.join(os.readlink(f"/proc/self/fd/{arguments[place]}"), path)
