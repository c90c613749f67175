"""Starts, restarts and stops child processes."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from db.startup.cpu_time import longest_wait_s, thread_times
from db.startup.heartbeat_monitor import HeartbeatMonitor
from db.startup.heartbeat_pipe import HEARTBEAT_VARIABLE
from db.startup.parent_death import exit_with_parent

logger = logging.getLogger(__name__)

BACKOFF_S = (0.5, 1, 2, 5, 10, 30)
STABLE_S = 60.0  # after this run time the backoff starts again at the shortest delay
CHECK_EVERY_S = 0.2
STDERR = 2


@dataclass
class Child:
    """A command that is restarted whenever it ends.

    Attributes:
        name: the name of the process in the log.
        command: program and arguments.
        grace_s: how long the process may take to end before it is killed.
        silent_after_s: after this long without a heartbeat (`db.startup.heartbeat_pipe`), the
            process is considered frozen and is killed; None if it sends no heartbeats.
        fds: file descriptors that the process inherits.
        omit: a line of the process's output that contains this is not shown; None to show all.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    grace_s: float = 5.0
    silent_after_s: float | None = None
    fds: Sequence[int] = ()
    omit: bytes | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _monitor: HeartbeatMonitor | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _started: float = field(default=0.0, init=False)
    _due: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start the command in its own process group; the kernel kills it if this process ends.

        All children stay in one session: where Linux shares out its processors among sessions, the
        niceness of threads counts only within a session.
        """
        self._monitor = (
            None if self.silent_after_s is None else HeartbeatMonitor(self.silent_after_s)
        )
        pipe = {} if self._monitor is None else {HEARTBEAT_VARIABLE: str(self._monitor.write)}
        self.process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            self.command,
            env={**self.env, **pipe},
            pass_fds=[*self.fds, *map(int, pipe.values())],
            # Standard output is for the URL that `zpruner serve` prints.
            stdout=STDERR if self.omit is None else subprocess.PIPE,
            process_group=0,
            preexec_fn=partial(exit_with_parent, os.getpid()),
        )
        if self.omit is not None and (output := self.process.stdout) is not None:
            threading.Thread(target=_show, args=(output, self.omit), daemon=True).start()
        if self._monitor is not None:
            self._monitor.watch(self.process.pid)
        self._started = time.monotonic()

    def check(self) -> None:
        """Kill the process if it is frozen; restart it if it has ended and its backoff is over."""
        if self.process is not None and self._monitor is not None and self._monitor.has_timed_out():
            logger.error(
                "%s has sent no heartbeat for %.0f s: killing it", self.name, self._monitor.silent_s
            )
            kill_group(self.process)
        if self.process is not None and self.process.poll() is not None:
            self._schedule_restart(self.process)
        if self.process is None and time.monotonic() >= self._due:
            self.start()

    def terminate(self) -> None:
        """Send SIGTERM to the process, so that it finishes its work and ends."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        """Wait until the process ends or the deadline passes; then kill its process group."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        kill_group(self.process)
        self._clear()

    def _schedule_restart(self, process: subprocess.Popen[bytes]) -> None:
        kill_group(process)  # children of a killed parent
        run_time_s = time.monotonic() - self._started
        self._failures = 0 if run_time_s > STABLE_S else self._failures + 1
        delay_s = BACKOFF_S[min(max(self._failures - 1, 0), len(BACKOFF_S) - 1)]
        logger.warning(
            "%s ended (%s); restarting it in %s s", self.name, process.returncode, delay_s
        )
        self._clear()
        self._due = time.monotonic() + delay_s

    def _clear(self) -> None:
        if self._monitor is not None:
            self._monitor.close()
        self.process = self._monitor = None


class Supervisor:
    """Starts and supervises several children, and stops them together."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def add(self, child: Child) -> None:
        """Start a child and supervise it from now on."""
        child.start()
        self._children.append(child)

    def check(self) -> None:
        """Check every child once."""
        for child in self._children:
            child.check()

    def longest_wait_s(self) -> float:
        """Return for how long a child has waited for a processor since its start, at most."""
        running = [child.process.pid for child in self._children if child.process is not None]
        return max((longest_wait_s({}, thread_times(pid)) for pid in running), default=0.0)

    def run(self, stop: threading.Event) -> None:
        """Supervise the children until ``stop`` is set."""
        while not stop.wait(CHECK_EVERY_S):
            self.check()

    def end(self, *, last: int = 0) -> None:
        """Stop all children.

        Args:
            last: how many of the children, counted from the first one added, are stopped only
                after all others have ended. The others need these children until then.
        """
        for group in (self._children[last:], self._children[:last]):
            for child in group:
                child.terminate()
            started = time.monotonic()
            for child in group:
                child.wait_or_kill(started + child.grace_s)
        self._children.clear()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill all processes of a child's group, and reap the child."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _show(output: IO[bytes], omit: bytes) -> None:
    """Copy a process's output to standard error, but for the lines that contain ``omit``."""
    with output:
        for line in output:
            if omit not in line:
                os.write(STDERR, line)
