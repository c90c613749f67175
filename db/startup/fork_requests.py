"""The sockets through which `control` asks the worker beside it to fork a process."""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

FORK_REQUESTS_VARIABLE = "SUPERVISOR_FORKS_FD"
"""The environment variable with the descriptor of a process's own socket."""


@contextmanager
def connected() -> Iterator[Sequence[socket.socket]]:
    """Yield two connected sockets, to which processes that are restarted can return.

    Yield none where workers fork no processes, which is everywhere but on Linux.
    """
    if sys.platform != "linux":
        yield ()
        return
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


def inherited() -> socket.socket | None:
    """Return the socket of this process; None if it was started alone."""
    value = os.environ.pop(FORK_REQUESTS_VARIABLE, None)  # child processes get none
    if value is None:
        return None
    requests = socket.socket(fileno=int(value))
    requests.set_inheritable(False)
    requests.setblocking(False)
    return requests
