"""A subprocess with limited memory and time, for work on untrusted files and templates."""

import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self, cast

from db.core.operator_keys import environment_without_keys
from db.startup.parent_death import exit_with_parent

CPU_S = 60
TIMEOUT_S = 120.0
"""The limit on elapsed time, long enough for a machine under load."""
FAILED, OUT_OF_MEMORY = 1, 3
"""Exit codes: an unexpected exception, and an exceeded memory limit."""

CLOCKS = (signal.SIGALRM, signal.SIGXCPU)
"""The signals with which the kernel ends a process that exceeds a limit on time."""

Work = Callable[[dict[str, Any]], dict[str, Any]]


class BoundsExceededError(Exception):
    """The work exceeded its memory or time limit, or its process was killed."""


class BoundedProcess:
    """Runs ``python -m module``, which calls `serve_bounded`, and sends it requests.

    The process starts with the first request; after an exception, with the next one. As a context
    manager, it ends the process. It is not thread-safe, and the thread that sent the first request
    must live as long as the process.

    Args:
        memory_bytes: the limit on the address space of the process.
        cpu_s: the limit on the processor time for one request.
        timeout_s: the limit on the elapsed time for one request.
    """

    def __init__(
        self,
        module: str,
        *,
        memory_bytes: int,
        cpu_s: int = CPU_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._module = module
        self._limits = {"memory_bytes": memory_bytes, "cpu_s": cpu_s, "timeout_s": timeout_s}
        self._causes = f"{cpu_s} seconds or {memory_bytes >> 20} MiB of memory"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return the response.

        Raises:
            BoundsExceededError: the process exceeded a limit, or was killed.
            RuntimeError: the process failed in another way.
        """
        if self._process is None:
            self._process = self._started()
        response = _exchange(self._process, request)
        if response.endswith(b"\n"):
            result: dict[str, Any] = json.loads(response)
            return result
        code = self._process.wait()
        self.close()
        if code == FAILED:
            raise RuntimeError(f"{self._module} failed; its traceback is on standard error")
        if code == -signal.SIGALRM:
            raise BoundsExceededError(f"it took more than {self._limits['timeout_s']:g} seconds")
        raise BoundsExceededError(f"it took more than {self._causes}")

    def close(self) -> None:
        """End the process, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError), process:
                pass

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment_without_keys(),
        )
        _send(process, self._limits)
        return process


def run_bounded(
    module: str,
    request: dict[str, Any],
    *,
    memory_bytes: int,
    cpu_s: int = CPU_S,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """Run ``python -m module`` for one request, and return its response.

    Raises:
        BoundsExceededError: the process exceeded a limit, or was killed.
        RuntimeError: the process failed in another way.
    """
    process = BoundedProcess(module, memory_bytes=memory_bytes, cpu_s=cpu_s, timeout_s=timeout_s)
    with process:
        return process.ask(request)


def serve_bounded(work: Work) -> None:
    """Set this process's limits, and do the work that each line of standard input requests."""
    exit_with_parent()
    for number in CLOCKS:  # a parent that ignores or blocks them would let this process ignore them
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CLOCKS)
    responses, sys.stdout = sys.stdout, sys.stderr  # a library may print
    limits = json.loads(sys.stdin.buffer.readline())
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
    ):
        lower = _lower(kind, limit)
        resource.setrlimit(kind, (lower, lower))
    for line in sys.stdin.buffer:
        _start_clocks(limits["cpu_s"], limits["timeout_s"])
        try:
            response = json.dumps(work(json.loads(line)))
        except MemoryError:
            sys.exit(OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_REAL, 0)
        responses.write(f"{response}\n")
        responses.flush()


def _start_clocks(cpu_s: int, timeout_s: float) -> None:
    """Have the kernel end this process after so many more seconds."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    used_s = math.ceil(time.process_time())
    _, inherited = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (_lower(resource.RLIMIT_CPU, used_s + cpu_s), inherited)
    )


def _lower(kind: int, limit: int) -> int:
    """Return a limit, or the one that this process has, which only root may exceed."""
    _, inherited = resource.getrlimit(kind)
    return limit if inherited == resource.RLIM_INFINITY else min(limit, inherited)


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> bytes:
    """Return the line of the response; it has no end if the process ended before."""
    try:
        _send(process, request)
    except BrokenPipeError:
        return b""
    return cast("IO[bytes]", process.stdout).readline()


def _send(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    """Write a message as one line; values that JSON lacks, such as dates, become their texts."""
    requests = cast("IO[bytes]", process.stdin)
    requests.write(json.dumps(message, default=str).encode() + b"\n")
    requests.flush()
