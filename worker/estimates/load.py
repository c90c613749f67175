"""How much slower the machine is now, because other programs use it."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import torch

from worker.pruning.base.speed import Speed
from worker.pruning.planning.machine_benchmark import sustained

MEASURED_FOR_S, SAMPLES = 0.15, 10
BUSY = 1.5
"""From this factor on, a machine is called busy. Less is the noise of a short measurement."""
_COMPUTING = ("forward_matmul", "fp32_matmul", "gram_matmul", "factorization", "elementwise")


@dataclass(frozen=True)
class Load:
    """How many times as long work takes as on an idle machine.

    Attributes:
        computing: for work with large tensors.
        calling: for work with small ones, of which Python takes most of the time.
    """

    computing: float = 1.0
    calling: float = 1.0

    @property
    def is_busy(self) -> bool:
        """Whether other programs use so much of the machine that a job takes much longer."""
        return max(self.computing, self.calling) >= BUSY

    def slowed(self, speed: Speed) -> Speed:
        """Return the speed that is left to a job."""
        slower = {kind: getattr(speed, kind) / self.computing for kind in _COMPUTING}
        return replace(speed, calls=speed.calls / self.calling, **slower)


IDLE = Load()


def measured_load(speed: Speed, device: torch.device, running_jobs: int) -> Load:
    """Return the load, measured in a third of a second.

    It is the larger of two: how much slower two kinds of work are than on the idle machine, and how
    many threads share each processor. A short run may get more than its share of a processor, while
    a job gets no more, and a machine may be slowed down by more than threads.

    Args:
        speed: the speed of the idle machine.
        device: the device that jobs compute on.
        running_jobs: the number of jobs that the service runs now. Their work is not told from that
            of other programs; the next job runs in place of one of them, so that only threads are
            counted then.
    """
    own = 0 if running_jobs else 1
    rates, threads = list[float](), list[int]()
    for _ in range(SAMPLES):
        rates.append(sustained("calls", device, MEASURED_FOR_S / SAMPLES))
        threads.append(running_threads() - 1)  # without this one
    shared = (mean(threads) + own) / _processors()
    if running_jobs:
        measured = Load(max(1.0, shared), max(1.0, shared))
    else:
        computing = speed.fp32_matmul / sustained("fp32_matmul", device, MEASURED_FOR_S)
        calling = speed.calls / median(rates)
        measured = Load(max(1.0, shared, computing), max(1.0, shared, calling))
    return measured if measured.is_busy else IDLE


def running_threads() -> int:
    """Return how many threads of the machine run or wait for a processor; at least this one."""
    with suppress(OSError):
        for line in Path("/proc/stat").read_text().splitlines():
            if line.startswith("procs_running "):
                return max(1, int(line.split()[1]))
    return max(1, round(os.getloadavg()[0])) if hasattr(os, "getloadavg") else 1


def _processors() -> int:
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return len(usable) or os.cpu_count() or 1
