"""Noticing that a job gets far less of the processors than it could use."""

import logging
import time
from collections.abc import Callable, Mapping

from db.startup.cpu_time import CpuTime, thread_times, total_between

logger = logging.getLogger(__name__)
BEGINNING = "The machine is busy: "
"""How every warning begins, so that a later one replaces it."""
WINDOW_S = 30.0
REPEAT_AFTER_S = 600.0
LEAST_WAIT_S = 10.0
WAITS_PER_RUN = 2.0
"""A job is warned about if its threads wait for longer than this many times their running time."""


class BusyMachine:
    """Watches for how long the threads of this process run, and wait for a processor.

    Args:
        warn: called with a sentence when the threads have waited far longer than they ran; at most
            once in `REPEAT_AFTER_S` seconds.
        nice: the niceness of the threads that compute.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        nice: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        read_times: Callable[[], Mapping[int, CpuTime]] = thread_times,
    ) -> None:
        self._warn, self._nice = warn, nice
        self._clock, self._read_times = clock, read_times
        self._since, self._times = clock(), read_times()
        self._quiet_until = self._since

    def check(self) -> None:
        """Look at the last `WINDOW_S` seconds, once they have passed; cheap."""
        now = self._clock()
        if now - self._since < WINDOW_S:
            return
        times = self._read_times()
        used, seconds = total_between(self._times, times), now - self._since
        self._since, self._times = now, times
        is_starved = used.wait_s > max(LEAST_WAIT_S, WAITS_PER_RUN * used.run_s)
        if is_starved and now >= self._quiet_until:
            self._quiet_until = now + REPEAT_AFTER_S
            text = BEGINNING + _sentence(used, seconds, self._nice)
            logger.warning("%s", text)
            self._warn(text)


def _sentence(used: CpuTime, seconds: float, nice: int) -> str:
    remedy = " or with a lower ZPRUNER_WORKER_NICE" if nice else ""
    return (
        f"in {seconds:.0f} s, the threads of this job ran for {used.run_s:.1f} s and waited "
        f"{used.wait_s:.1f} s for a processor, which other programs used. The job is faster on a "
        f"quiet machine{remedy}."
    )
