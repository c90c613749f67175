"""A program that the worker's fork server runs for another process, and the pipes between the two.

To its owner, such a program is like a child, although it is a child of the fork server: the owner
kills it, learns its exit code, and takes it along when it ends itself.
"""

import fcntl
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, cast

STARTED = b"s"
START_WITHIN_S = 300.0
"""As long as an owner waits for the fork server; a worker that hangs is restarted before."""
KILLED_WITHIN_S = 5.0
_POLL_S = 0.02


class ForkedProgram:
    """The function ``main`` of a module, run by the fork server of the worker beside this process.

    Attributes:
        has_started: whether it runs, or ran. If it ends without having started, it must be started
            in another way.

    Raises:
        OSError: the worker cannot be asked.
    """

    def __init__(self, requests: socket.socket, module: str) -> None:
        self.has_started, self.returncode = False, cast("int | None", None)
        self._asked_at = time.monotonic()
        (owner, self._alive), (self._status, status) = os.pipe(), os.pipe()
        os.set_blocking(self._status, False)
        try:
            socket.send_fds(requests, [module.encode()], [owner, status])
        except OSError:
            self._end(-signal.SIGKILL)
            raise
        finally:
            os.close(owner)
            os.close(status)

    def poll(self) -> int | None:
        """Return its exit code, negative if it was killed; None while it starts or runs."""
        while self.returncode is None:
            try:
                message = os.read(self._status, 1)
            except BlockingIOError:
                if not self.has_started and time.monotonic() > self._asked_at + START_WITHIN_S:
                    self.kill()
                break
            if message == STARTED:
                self.has_started = True
            else:
                self._end(message[0] if message else -signal.SIGKILL)
        return self.returncode

    def kill(self) -> None:
        """Kill it and wait for its end; one that has not started never will."""
        if self.returncode is None:
            os.close(self._alive)
            self._alive = -1
            deadline = time.monotonic() + KILLED_WITHIN_S
            while self.has_started and time.monotonic() < deadline and self._runs():
                time.sleep(_POLL_S)
            self._end(-signal.SIGKILL)

    def _runs(self) -> bool:
        try:
            return bool(os.read(self._status, 1))
        except BlockingIOError:
            return True

    def _end(self, code: int) -> None:
        self.returncode = code
        for fd in (self._alive, self._status):
            if fd >= 0:
                os.close(fd)


def run(module: str, owner: int, status: int) -> NoReturn:
    """Run a module in this new process, which the kernel kills when its owner ends or asks for it.

    Args:
        module: the module, whose ``main`` is called.
        owner: the end of a pipe that only the owner keeps open.
        status: the end of a pipe to which the start and the exit code are written.
    """
    code = 1
    try:
        fcntl.fcntl(owner, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(owner, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(owner, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)  # a signal once it is closed
        if not _is_closed(owner):
            os.write(status, STARTED)
            import_module(module).main()
            code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):
            os.write(status, bytes([code]))
        os._exit(code)


def _is_closed(owner: int) -> bool:
    try:
        return not os.read(owner, 1)
    except BlockingIOError:
        return False
