"""CPU time, memory and descriptors of the programs that this process has started."""

import resource
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

API, WORKER, FLOWER = "api.program", "worker.program", "flower"
"""Words in the command lines of the programs."""


def running(program: str) -> list[psutil.Process]:
    """Return the processes of a program and their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if program in process.cmdline():
                children = process.children(recursive=True)
                found |= {one.pid: one for one in (process, *children)}
    return list(found.values())


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds of processes, and of their children that have ended."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def cpu_share(processes: list[psutil.Process]) -> Callable[[], float]:
    """Return a function that returns the CPU seconds per second from now until its call."""
    started, seconds = time.monotonic(), cpu_seconds(processes)
    return lambda: (cpu_seconds(processes) - seconds) / (time.monotonic() - started)


def resident_bytes(program: str) -> int:
    return sum(process.memory_info().rss for process in running(program))


def descriptors(program: str) -> int:
    return sum(process.num_fds() for process in running(program))


def limit_descriptors(soft: int) -> None:
    """Set this process's limit of open files, which programs inherit that start after this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft if unlimited else min(soft, hard), hard))
