"""Ending a process when its parent ends, however the parent ends."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)  # loaded here: a forked child should not load libraries


def exit_with_parent(parent: int | None = None, signal_number: int = signal.SIGKILL) -> None:
    """Make the kernel send this process a signal when its parent ends; works only on Linux.

    Args:
        parent: id of the process that started this one. If that process has already ended, exit at
            once; None omits this check.
        signal_number: the signal to send.
    """
    prctl = getattr(_libc, "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal_number)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
