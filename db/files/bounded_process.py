"""A subprocess with limited memory and time, for work on untrusted files."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from db.startup.parent_death import exit_with_parent

CPU_S = 60
TIMEOUT_S = 120.0
"""The limit on elapsed time, long enough for a machine under load."""
FAILED, OUT_OF_MEMORY = 1, 3
"""Exit codes: an unexpected exception, and an exceeded memory limit."""

Work = Callable[[dict[str, Any]], dict[str, Any]]


class BoundsExceededError(Exception):
    """The work exceeded its memory or time limit, or its process was killed."""


def run_bounded(
    module: str,
    request: dict[str, Any],
    *,
    memory_bytes: int,
    cpu_s: int = CPU_S,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """Run ``python -m module``, which calls `serve_bounded`, and return its response.

    Raises:
        BoundsExceededError: the process exceeded a limit, or was killed.
        RuntimeError: the process failed in another way.
    """
    message = {"request": request, "memory_bytes": memory_bytes, "cpu_s": cpu_s}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", module],
            input=json.dumps(message).encode(),
            stdout=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BoundsExceededError(f"it took more than {timeout_s:g} seconds") from None
    if done.returncode == 0:
        result: dict[str, Any] = json.loads(done.stdout)
        return result
    if done.returncode == FAILED:
        raise RuntimeError(f"{module} failed; its traceback is on standard error")
    raise BoundsExceededError(
        f"it took more than {cpu_s} seconds or {memory_bytes >> 20} MiB of memory"
    )


def serve_bounded(work: Work) -> None:
    """Set this process's limits, do the work requested on standard input, and print the result."""
    exit_with_parent()
    message = json.loads(sys.stdin.buffer.read())
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, message["cpu_s"]),
        (resource.RLIMIT_AS, message["memory_bytes"]),
    ):
        _, inherited = resource.getrlimit(kind)  # only root may exceed it
        lower = limit if inherited == resource.RLIM_INFINITY else min(limit, inherited)
        resource.setrlimit(kind, (lower, lower))
    try:
        result = work(message["request"])
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    sys.stdout.write(json.dumps(result))
