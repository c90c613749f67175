"""Child processes that are started, restarted and ended together."""

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

from db.core.parent_death import exit_with_parent
from db.startup.beats import VARIABLE
from zpruner.serve.pulse import Pulse

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 1, 2, 5, 10, 30)
STEADY_S = 60.0  # a child that lived this long starts over at the shortest backoff
LOOK_EVERY_S = 0.2
STDERR = 2


@dataclass
class Child:
    """One command, kept running.

    Attributes:
        name: what the log calls it.
        command: program and arguments.
        grace_s: how long it may take to end by itself.
        silent_after_s: it counts as frozen, and is killed, after so long without a beat
            (`db.startup.beats`); None where it sends no beats.
        fds: file descriptors that it inherits.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    grace_s: float = 5.0
    silent_after_s: float | None = None
    fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _pulse: Pulse | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _started: float = field(default=0.0, init=False)
    _due: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it in a process group of its own, which dies with this process."""
        self._pulse = None if self.silent_after_s is None else Pulse(self.silent_after_s)
        pipe = {} if self._pulse is None else {VARIABLE: str(self._pulse.write)}
        self.process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            self.command,
            env={**self.env, **pipe},
            pass_fds=[*self.fds, *map(int, pipe.values())],
            stdout=STDERR,  # standard output is for what the service itself answers
            start_new_session=True,
            preexec_fn=partial(exit_with_parent, os.getpid()),
        )
        if self._pulse is not None:
            self._pulse.hand_over()
        self._started = time.monotonic()

    def keep(self) -> None:
        """Kill it if it is frozen, and start it again when it has died and its backoff is over."""
        if self.process is not None and self._pulse is not None and self._pulse.is_over():
            log.error("%s was silent for %.0f s: ending it", self.name, self._pulse.silent_s)
            kill_group(self.process)
        if self.process is not None and self.process.poll() is not None:
            self._schedule_restart(self.process)
        if self.process is None and time.monotonic() >= self._due:
            self.start()

    def ask_to_end(self) -> None:
        """Tell it to finish what it is doing and end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for it, at last kill it, and never leave anything of its group."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        kill_group(self.process)
        self._forget()

    def _schedule_restart(self, process: subprocess.Popen[bytes]) -> None:
        kill_group(process)  # what a killed parent left behind
        lived = time.monotonic() - self._started
        self._failures = 0 if lived > STEADY_S else self._failures + 1
        wait = BACKOFF_S[min(max(self._failures - 1, 0), len(BACKOFF_S) - 1)]
        log.warning("%s ended (%s); starting it again in %s s", self.name, process.returncode, wait)
        self._forget()
        self._due = time.monotonic() + wait

    def _forget(self) -> None:
        if self._pulse is not None:
            self._pulse.close()
        self.process = self._pulse = None


class Supervisor:
    """Starts children in order and ends them in reverse."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def add(self, child: Child) -> None:
        """Start a child and look after it from now on."""
        child.start()
        self._children.append(child)

    def keep(self) -> None:
        """Look after every child once."""
        for child in self._children:
            child.keep()

    def run(self, stop: threading.Event) -> None:
        """Look after them until told to stop."""
        while not stop.wait(LOOK_EVERY_S):
            self.keep()

    def end(self, *, last: int = 0) -> None:
        """End all; the first ``last`` children, which others need, only when those are gone."""
        for group in (self._children[last:], self._children[:last]):
            for child in group:
                child.ask_to_end()
            started = time.monotonic()
            for child in group:
                child.end(started + child.grace_s)
        self._children.clear()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of a child's process group, and reap the child."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
