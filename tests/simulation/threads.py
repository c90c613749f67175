"""What the modules of the worker use of the operating system, as actors of the simulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.util

import db.core.ids
import worker.attempts.attempt
import worker.attempts.lease_watchdog
import worker.attempts.run
import worker.outputs.attempt
import worker.pool.heartbeat
from tests.simulation.kernel import Actor, Crash, Kernel

POLL_INTERVAL_S = 15.0
"""How often a watchdog looks for a reason to stop; as it polls, it renews the lease."""
LONG_S = 1e6


class Event:
    """As `threading.Event`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self._is_set = kernel, False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def wait(self, timeout_s: float = LONG_S) -> bool:
        self._kernel.pause("wait", self.is_set, timeout_s)
        return self._is_set


class Thread:
    """As `threading.Thread`; it belongs to the process whose actor starts it."""

    def __init__(
        self,
        kernel: Kernel,
        target: Callable[..., object],
        name: str,
        args: tuple[Any, ...] = (),
        daemon: bool = True,
    ) -> None:
        self._kernel, self._name = kernel, name
        self._target = partial(target, *args)
        self._actor: Actor | None = None

    def start(self) -> None:
        running = self._kernel.running
        assert running is not None
        self._actor = self._kernel.spawn(running.process, self._name, self._target)

    def join(self, timeout_s: float = LONG_S) -> None:
        actor = self._actor
        assert actor is not None
        if actor in self._kernel.actors:
            self._kernel.pause("join", lambda: actor not in self._kernel.actors, timeout_s)


class NoLog:
    """Stores no log lines: they have no part in what is simulated."""

    def __init__(self, *_: object) -> None:
        pass

    def flush(self) -> None:
        pass

    def __enter__(self) -> "NoLog":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class SameThread:
    """Computes in the thread of its caller, who waits for it anyway."""

    def __init__(self, nice: int) -> None:
        pass

    def iterate(self, items: Iterator[Any]) -> Iterator[Any]:
        return items

    def lower_priority(self) -> None:
        pass

    def __enter__(self) -> "SameThread":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class IdleMachine:
    """Notices no busy machine."""

    def __init__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        pass


def _is_exit(error: BaseException) -> bool:
    return not isinstance(error, Exception | Crash)


@contextmanager
def simulated_system(current: Callable[[], Kernel]) -> Iterator[None]:
    """Give the worker's modules threads, clocks and ids that the current schedule decides."""
    threading = SimpleNamespace(
        Thread=lambda **given: Thread(current(), **given), Event=lambda: Event(current())
    )
    time = SimpleNamespace(
        monotonic=lambda: current().now, sleep=lambda seconds: current().sleep(seconds)
    )
    ids = SimpleNamespace(uuid7=lambda: SimpleNamespace(hex=f"{current().next_id():032x}"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (worker.attempts.lease_watchdog, worker.outputs.attempt):
            patch.setattr(module, "threading", threading)
            patch.setattr(module, "time", time)
        patch.setattr(worker.pool.heartbeat, "threading", threading)
        patch.setattr(worker.pool.heartbeat, "installed_extras", dict)  # reads files of packages
        patch.setattr(worker.pool.heartbeat, "version", lambda _: "1")
        patch.setattr(worker.attempts.attempt, "time", time)
        patch.setattr(worker.attempts.lease_watchdog, "BusyMachine", IdleMachine)
        patch.setattr(worker.attempts.lease_watchdog, "POLL_INTERVAL_S", POLL_INTERVAL_S)
        patch.setattr(worker.attempts.run, "JobLogHandler", NoLog)
        patch.setattr(worker.attempts.run, "ComputeThread", SameThread)
        patch.setattr(db.core.ids, "uuid_utils", ids)
        # otherwise each crash closes a connection, and to open one takes as long as many steps
        patch.setattr(sqlalchemy.util, "is_exit_exception", _is_exit)
        yield
