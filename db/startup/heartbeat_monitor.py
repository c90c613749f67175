"""Detects frozen child processes, which stop writing heartbeats to a pipe."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from db.startup.cpu_time import CpuTime, longest_wait_s, thread_times

START_WITHIN_S = 180.0
"""The minimum time limit for the first heartbeat.

A child first imports and connects, which is slow on a busy machine.
"""
MAX_STEP_S = 1.0
"""The maximum number of seconds that one check adds to the measured silence.

If more time has passed since the last check, the supervisor was suspended or got no CPU time. The
child probably was too, so the rest of this time does not count as silence. The time in which the
child could have run, but waited for a processor, does not count either.
"""


class HeartbeatMonitor:
    """Monitors one child process; call `has_timed_out` several times a second."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        self._has_started, self.silent_s, self._checked_at = False, 0.0, clock()
        self._pid: int | None = None
        self._times: dict[int, CpuTime] = {}  # of the child's threads at its last heartbeat

    def has_timed_out(self) -> bool:
        """Read new heartbeats; return whether the child has been silent for too long."""
        now, before = self._clock(), self._checked_at
        self._checked_at = now
        if self._received():
            self._has_started, self.silent_s, self._times = True, 0.0, self._read_times()
        else:
            self.silent_s += min(now - before, MAX_STEP_S)
        limit_s = self._limit_s if self._has_started else max(self._limit_s, START_WITHIN_S)
        if self.silent_s <= limit_s:
            return False
        return self.silent_s - longest_wait_s(self._times, self._read_times()) > limit_s

    def watch(self, pid: int) -> None:
        """Monitor this child, which has just inherited the write end; close our copy of it."""
        self._pid = pid
        os.close(self.write)

    def close(self) -> None:
        """Close the read end."""
        os.close(self._read)

    def _read_times(self) -> dict[int, CpuTime]:
        return {} if self._pid is None else thread_times(self._pid)

    def _received(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self._read, 65_536))
        return False
