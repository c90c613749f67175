"""Work on a stranger's file in a process of its own, with little memory and little time."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from db.core.parent_death import exit_with_parent

CPU_S = 60
LONGEST_S = 120.0
"""By the wall's clock, on a machine that has much else to do."""
FAILED, OUT_OF_MEMORY = 1, 3
"""Exit codes: of an exception that nobody foresaw, and of a bound."""

Work = Callable[[dict[str, Any]], dict[str, Any]]


class BoundsExceededError(Exception):
    """The work needed more memory or time than it may have, or its process was killed."""


def run_bounded(
    module: str,
    asked: dict[str, Any],
    *,
    memory_bytes: int,
    cpu_s: int = CPU_S,
    longest_s: float = LONGEST_S,
) -> dict[str, Any]:
    """Run ``python -m module``, which calls `serve_bounded`, and return its answer.

    Raises:
        BoundsExceededError: it exceeded a bound, or was killed.
        RuntimeError: it failed in another way.
    """
    request = {"asked": asked, "memory_bytes": memory_bytes, "cpu_s": cpu_s}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", module],
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            timeout=longest_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BoundsExceededError(f"it took more than {longest_s:g} seconds") from None
    if done.returncode == 0:
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
    if done.returncode == FAILED:
        raise RuntimeError(f"{module} failed; its traceback is on standard error")
    raise BoundsExceededError(
        f"it took more than {cpu_s} seconds or {memory_bytes >> 20} MiB of memory"
    )


def serve_bounded(work: Work) -> None:
    """Set this process's bounds, do the work that standard input asks for, and print the answer."""
    exit_with_parent()
    request = json.loads(sys.stdin.buffer.read())
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, request["cpu_s"]),
        (resource.RLIMIT_AS, request["memory_bytes"]),
    ):
        resource.setrlimit(kind, (limit, limit))
    try:
        answer = work(request["asked"])
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    sys.stdout.write(json.dumps(answer))
