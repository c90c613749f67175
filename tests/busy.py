"""Processes that use up processors, and processes that wait for one beside them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SPINNING = (sys.executable, "-c", "while True: pass")
SLEEPING = (sys.executable, "-c", "import time; time.sleep(600)")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
ON_ONE_CORE = ("taskset", "-c", str(CORE))


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process during the block."""
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Have processes compute without end during the block, on whichever cores there are."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(running(*SPINNING))
        yield


@contextmanager
def starved_process(*command: str, nice: int = 10) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process at a low priority on a core that another process uses up."""
    slow = (*ON_ONE_CORE, "nice", "-n", str(nice))
    with running(*ON_ONE_CORE, *SPINNING), running(*slow, *command) as process:
        yield process
