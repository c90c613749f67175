"""CPU time, memory and descriptors of the programs that this process has started."""

import resource
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

API, WORKER, FLOWER = "api.program", "worker.program", "flower"
"""For each program, a word that identifies it in a command line."""


def running(program: str) -> list[psutil.Process]:
    """Return the processes of a program, and all their descendants."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if program in process.cmdline():
                children = process.children(recursive=True)
                found |= {one.pid: one for one in (process, *children)}
    return list(found.values())


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the total CPU seconds of processes and of their children that have ended."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def cpu_share(processes: list[psutil.Process]) -> Callable[[], float]:
    """Start measuring; return a function that gives the CPU seconds per second since the start."""
    started, seconds = time.monotonic(), cpu_seconds(processes)
    return lambda: (cpu_seconds(processes) - seconds) / (time.monotonic() - started)


def resident_bytes(program: str) -> int:
    return sum(process.memory_info().rss for process in running(program))


def descriptors(program: str) -> int:
    return sum(process.num_fds() for process in running(program))


def limit_descriptors(soft: int) -> None:
    """Set the soft limit on open files of this process and of the programs it starts later."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft if unlimited else min(soft, hard), hard))
