"""Every moment at which a process touches the world, and what can befall it there.

A process that is killed between two touches leaves the same world as one killed at the second, so
that its n-th touch, for every n, is all there is to try.
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
Befall = Callable[[], None]


def kill() -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Stop this process until it is told to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fill_the_disk() -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, "No space left on device")


class Points:
    """Counts this process's touches, and lets something befall it at one of them.

    Attributes:
        seen: how many there were.
    """

    def __init__(self, below: str, at: int | None = None, befall: Befall = kill) -> None:
        """Watch files below a folder; ``at`` is the touch, from 1, that goes wrong."""
        self.seen, self._below, self._at, self._befall = 0, below, at, befall

    def watch_files(self) -> None:
        """Count what is written, renamed and deleted. Lasts as long as the process."""
        sys.addaudithook(self._audited)

    def watch_rows(self, engine: Engine) -> None:
        """Count each statement and each commit."""
        event.listen(engine, "before_cursor_execute", self._touched)
        event.listen(engine, "commit", self._touched)

    def _audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[2], int)
        writes = writes and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if (writes or name in _ON_DISK) and str(arguments[0]).startswith(self._below):
            self._touched()

    def _touched(self, *_: object) -> None:
        self.seen += 1
        if self.seen == self._at:
            self._befall()
