"""How much slower the machine is now, because other programs use it."""

import os
from dataclasses import dataclass, replace

import torch

from worker.pruning.base.speed import Speed
from worker.pruning.planning.machine_benchmark import sustained

MEASURED_FOR_S = 0.15
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
    """Return the load, measured in a third of a second at the priority of this process.

    While jobs of the service run, their own work is not told from that of other programs: the load
    is then that of all processes that ran or waited in the last minute, in place of which the next
    job will run.

    Args:
        speed: the speed of the idle machine.
        device: the device that jobs compute on.
        running_jobs: the number of jobs that the service runs now.
    """
    if running_jobs:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        factor = max(1.0, os.getloadavg()[0] / (cores or 1))
        found = Load(factor, factor)
    else:
        computing, calling = (
            max(1.0, getattr(speed, kind) / sustained(kind, device, MEASURED_FOR_S))
            for kind in ("fp32_matmul", "calls")
        )
        found = Load(computing, calling)
    return found if found.is_busy else IDLE
