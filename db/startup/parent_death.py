"""Ending a process when its parent ends, however the parent ends."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
# Looked up here: a forked child of a process with threads should not do so.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def exit_with_parent(parent: int | None = None, signal_number: int = signal.SIGKILL) -> None:
    """Make the kernel send this process a signal when its parent ends; works only on Linux.

    To the kernel, the parent is the thread that started this process. A program that this process
    executes keeps the setting, so the parent of a new process can call this in ``preexec_fn``: then
    no instruction of the program runs without it.

    Args:
        parent: id of the process that started this one. If that process has already ended, exit at
            once; None omits this check.
        signal_number: the signal to send.
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal_number)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
