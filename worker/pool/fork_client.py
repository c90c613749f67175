"""The worker's end of its fork server: starts it, asks it for processes, replaces a broken one."""

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

# Not `-m`: a spawned process has a `__main__` without a file, and a forked one has the server's.
COMMAND = (sys.executable, "-P", "-c", "from worker.pool.fork_server import main; main()")
READY = b"ready"
MOST_FDS = 64
START_WITHIN_S = 120.0
"""A spawned process would not be faster: its imports are the same. The worker does nothing else."""
GIVE_UP_AFTER_S = 300.0
ANSWER_WITHIN_S = 5.0
LOOK_EVERY_S = 0.2
_SET_CHILD_SUBREAPER = 36  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


class ForkServerError(Exception):
    """There is no forked process; the text says why."""


class ForkServer:
    """At most one server process at a time, started when a process is first asked for."""

    def __init__(
        self, command: Sequence[str] = COMMAND, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """``is_stopping`` tells whether this process is ending, and should not wait."""
        self._command, self._is_stopping = command, is_stopping
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._is_ready = self._has_forked = False
        self._started = 0.0

    def fork(self, fds: Sequence[int]) -> int:
        """Return the id of a new child process of this one, which is given these descriptors.

        Raises:
            ForkServerError: there is none. A server that is dead, frozen or no longer fit to fork
                is replaced.
        """
        try:
            answer = self._ask(fds)
        except OSError as error:
            self._replace()
            raise ForkServerError(f"is started again: {error}") from error
        if answer.isdigit():
            self._has_forked = True
            return _own(int(answer))
        if self._has_forked:  # else the next one would be no better
            self._replace()
        raise ForkServerError(f"refuses to fork: {answer}")

    def close(self) -> None:
        """End the server. The processes it has forked go on."""
        if self.process is not None and self._socket is not None:
            self._socket.close()
            self.process.kill()
            self.process.wait()
        self.process = self._socket = None

    def _ask(self, fds: Sequence[int]) -> str:
        server = self._socket or self._start()
        self._await(server)
        with _adopting():
            socket.send_fds(server, [b"fork"], fds)
            return _hear(server, ANSWER_WITHIN_S).decode()

    def _replace(self) -> None:
        self.close()
        with suppress(OSError):  # the next time, then
            self._start()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket, self._started = ours, time.monotonic()
        self._is_ready = self._has_forked = False
        return ours

    def _await(self, server: socket.socket) -> None:
        """Wait for the server's imports.

        Raises:
            ForkServerError: they take longer than a worker should wait.
            OSError: the server is not going to finish them.
        """
        while not self._is_ready:
            age = time.monotonic() - self._started
            try:
                _hear(server, LOOK_EVERY_S)
            except TimeoutError:
                if age > GIVE_UP_AFTER_S:
                    raise
                if age > START_WITHIN_S or self._is_stopping():
                    raise ForkServerError("is not ready yet") from None
            else:
                self._is_ready = True


def _own(pid: int) -> int:
    """Return the id of a process if it is this one's child; end it if it is not.

    Raises:
        ForkServerError: it is not, as where a sandbox knows no subreapers.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.ppid() == os.getpid():
            return pid
        process.kill()
    raise ForkServerError("makes processes that are not the worker's own")


def _hear(server: socket.socket, within_s: float) -> bytes:
    server.settimeout(within_s)
    if not (message := server.recv(1024)):
        raise ConnectionError("it has ended")
    return message


@contextmanager
def _adopting() -> Iterator[None]:
    """Become the parent of processes below this one whose own parent ends."""
    _libc.prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _libc.prctl(_SET_CHILD_SUBREAPER, 0)
