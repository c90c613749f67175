"""A child process that the control process starts when there is work for it."""

import logging
import os
import subprocess
import threading
import time
from functools import partial
from typing import Self

from db.startup.heartbeat_monitor import HeartbeatMonitor
from db.startup.heartbeat_pipe import HEARTBEAT_VARIABLE
from db.startup.parent_death import exit_with_parent
from worker.pool.forked_program import ForkedProgram

logger = logging.getLogger(__name__)
RESTART_AFTER_S = 10.0
"""The delay after an error, which would probably happen again at once."""


class OnDemandProcess:
    """At most one process of a program; the kernel kills it if the thread that started it ends.

    Args:
        command: program and arguments.
        grace_s: how long the process may take to end before it is killed.
        silent_after_s: after this long without a heartbeat, the process is considered frozen and is
            killed; None if it sends no heartbeats.
    """

    def __init__(
        self, command: tuple[str, ...], *, grace_s: float = 0.0, silent_after_s: float | None = None
    ) -> None:
        self._command, self._grace_s, self._silent_after_s = command, grace_s, silent_after_s
        self._lock, self._is_closed = threading.Lock(), False
        self._monitor: HeartbeatMonitor | None = None
        self._start_after = time.monotonic()
        self.process: subprocess.Popen[bytes] | ForkedProgram | None = None

    def start(self) -> None:
        """Start the process, unless it runs or has just ended with an error."""
        with self._lock:
            if self.process is not None or self._is_closed:
                return
            if time.monotonic() >= self._start_after:
                self._start()

    def check(self) -> None:
        """Kill the process if it is frozen, and collect it if it has ended."""
        with self._lock:
            if self._monitor is not None and self._monitor.has_timed_out():
                silent_s = self._monitor.silent_s
                logger.error("no heartbeat for %.0f s: killing %s", silent_s, self._command[-1])
                self._end(0.0)
            elif self.process is not None and (status := self.process.poll()) is not None:
                if status > 0:
                    logger.warning("%s failed (%d)", self._command[-1], status)
                    self._start_after = time.monotonic() + RESTART_AFTER_S
                self._end(0.0)

    def kill(self) -> None:
        """Kill the process, which can be started again."""
        with self._lock:
            self._end(0.0)

    def close(self) -> None:
        """End the process, and start no other one."""
        with self._lock:
            self._is_closed = True
            self._end(self._grace_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.process = self._spawned()

    def _spawned(self) -> subprocess.Popen[bytes]:
        pipe: dict[str, str] = {}
        if self._silent_after_s is not None:
            self._monitor = HeartbeatMonitor(self._silent_after_s)
            pipe = {HEARTBEAT_VARIABLE: str(self._monitor.write)}
        process = subprocess.Popen(  # noqa: S603 - our own command
            self._command,
            env=os.environ | pipe,
            pass_fds=[int(fd) for fd in pipe.values()],
            process_group=0,
            preexec_fn=partial(exit_with_parent, os.getpid()),
        )
        if self._monitor is not None:
            self._monitor.watch(process.pid)
        return process

    def _end(self, grace_s: float) -> None:
        if isinstance(self.process, subprocess.Popen):
            if grace_s:
                self.process.terminate()
                try:
                    self.process.wait(grace_s)
                except subprocess.TimeoutExpired:
                    logger.warning("%s did not end in %g s", self._command[-1], grace_s)
            self.process.kill()
            self.process.wait()
        elif self.process is not None:
            self.process.kill()
        if self._monitor is not None:
            self._monitor.close()
        self.process = self._monitor = None
