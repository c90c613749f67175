"""A check of how much of a processor a job would get now, for ``zpruner doctor``."""

import time

from db.startup.checks import Finding
from worker.priority import ComputeThread

CPU_S = 0.2
LONGEST_S = 3.0
BUSY_BELOW = 1 / 3


def check_processor(nice: int) -> Finding:
    """Compute for a moment at the priority of jobs, and report the share of a processor it got."""
    with ComputeThread(nice) as thread:
        thread.lower_priority()
        return finding(thread.run(_share), nice)


def finding(share: float, nice: int) -> Finding:
    """Return the finding for a share of a processor, from 0 to 1."""
    text = f"a thread of a job gets {share:.0%} of a processor now (ZPRUNER_WORKER_NICE={nice})"
    if share >= BUSY_BELOW:
        return Finding("processor", "ok", text)
    remedy = "; 0 gives jobs a larger share" if nice else ""
    slower = f"the machine is busy, and jobs take about {1 / share:.0f} times as long{remedy}"
    return Finding("processor", "absent", f"{text}: {slower}")


def _share() -> float:
    began, used = time.monotonic(), time.thread_time()
    while True:
        ran_s, passed_s = time.thread_time() - used, time.monotonic() - began
        if ran_s >= CPU_S or passed_s >= LONGEST_S:
            return min(1.0, max(ran_s, 1e-3) / passed_s)
