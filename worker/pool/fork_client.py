"""The worker's side of its fork server: starts, uses and replaces the server."""

import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import psutil

from db.startup.cpu_time import FairClock
from db.startup.parent_death import exit_with_parent

# Not `-m`: forked processes inherit `__main__`, which must have no file, as in spawned processes.
COMMAND = (sys.executable, "-P", "-c", "from worker.pool.fork_server import main; main()")
READY = b"ready"
FORK = b"fork"
"""The request of a process for the pool; another request is the name of a module to run."""
MAX_FDS = 64
START_TIMEOUT_S = 120.0
"""How long a server may start: a spawned process would import the same modules as slowly.

Like the other limits, it is one of a `FairClock`: on a busy machine, where the server waits for a
processor most of the time, it takes many times as long.
"""
REPLACE_AFTER_S = 300.0
RESPONSE_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.2
_SET_CHILD_SUBREAPER = 36  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


class ForkServerError(Exception):
    """No process could be forked; the message says why."""


class ForkServer:
    """Starts a fork server at the first request, and replaces it if it fails; at most one runs."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._is_ready = self._has_forked = False
        self._age = FairClock(os.getpid())

    def start(self) -> socket.socket:
        """Start the server unless it runs; return a socket that is readable once it is ready.

        Raises:
            OSError: the server cannot be started.
        """
        return self._socket or self._start()

    def is_starting(self) -> bool:
        """Whether it is worth waiting until the server has imported the engine."""
        if self._socket is None or self._has_responded(self._socket):
            return False
        return self._age.read() <= START_TIMEOUT_S

    def fork(self, fds: Sequence[int]) -> int:
        """Have the server fork a child of this process; return the child's process id.

        This does not wait for a server that `is_starting`.

        Args:
            fds: the file descriptors that the child inherits.

        Raises:
            ForkServerError: no child could be forked. The server is replaced if it has ended,
                does not respond, or can no longer fork safely.
        """
        return _checked_child(self._forked(FORK, fds))

    def run(self, module: str, fds: Sequence[int]) -> None:
        """Have the server run a module in a new process, which ends with the server.

        Args:
            module: the module, for `forked_program.run`.
            fds: the two pipes of that function.

        Raises:
            ForkServerError: as in `fork`.
        """
        self._forked(module.encode(), fds)

    def close(self) -> None:
        """Kill the server. The processes it forked continue."""
        if self.process is not None and self._socket is not None:
            self.process.kill()  # first, or the server logs that the worker is gone
            self.process.wait()
            self._socket.close()
        self.process = self._socket = None

    def _forked(self, request: bytes, fds: Sequence[int]) -> int:
        try:
            response = self._request(request, fds)
        except OSError as error:
            self._replace()
            raise ForkServerError(f"is restarted: {error}") from error
        if response.isdigit():
            self._has_forked = True
            return int(response)
        if self._has_forked:  # otherwise a new server would refuse, too
            self._replace()
        raise ForkServerError(f"refuses to fork: {response}")

    def _request(self, request: bytes, fds: Sequence[int]) -> str:
        server = self.start()
        self._require_ready(server)
        with _as_subreaper():
            socket.send_fds(server, [request], fds)
            return self._response(server).decode()

    def _response(self, server: socket.socket) -> bytes:
        asked_at = self._age.read()
        while True:
            try:
                return _receive(server, POLL_INTERVAL_S)
            except TimeoutError:
                if self._age.read() - asked_at > RESPONSE_TIMEOUT_S:
                    raise

    def _replace(self) -> None:
        self.close()
        with suppress(OSError):  # the next request starts it
            self._start()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                preexec_fn=partial(exit_with_parent, os.getpid()),
            )
        self._socket, self._age = ours, FairClock(self.process.pid)
        self._is_ready = self._has_forked = False
        return ours

    def _require_ready(self, server: socket.socket) -> None:
        """Check that the server has imported the engine.

        Raises:
            ForkServerError: the server has not imported it yet.
            OSError: the server has ended, or is not ready `REPLACE_AFTER_S` seconds after its
                start.
        """
        if not self._has_responded(server):
            if self._age.read() > REPLACE_AFTER_S:
                raise TimeoutError("its imports hang")
            raise ForkServerError("is not ready yet")
        if not self._is_ready:
            raise ConnectionError("it has ended")

    def _has_responded(self, server: socket.socket) -> bool:
        """Whether the server is ready, or has ended before it was."""
        if not self._is_ready:
            try:
                _receive(server, 0)
            except BlockingIOError:
                return False
            except OSError:
                return True
            self._is_ready = True
        return True


def _checked_child(pid: int) -> int:
    """Return ``pid`` if process ``pid`` is a child of this process; if not, kill process ``pid``.

    Raises:
        ForkServerError: the process is not a child, as in sandboxes that do not support subreapers.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.ppid() == os.getpid():
            return pid
        process.kill()
    raise ForkServerError("forks processes that are not children of the worker")


def _receive(server: socket.socket, timeout_s: float) -> bytes:
    server.settimeout(timeout_s)
    if not (message := server.recv(1024)):
        raise ConnectionError("it has ended")
    return message


@contextmanager
def _as_subreaper() -> Iterator[None]:
    """During the ``with`` body, become the parent of descendants whose own parent ends."""
    _libc.prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _libc.prctl(_SET_CHILD_SUBREAPER, 0)
