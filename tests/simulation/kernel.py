"""One thread runs all actors of a simulation, in an order and by a clock that the seed decides.

An actor is a greenlet: a thread of a process that the simulation makes up. It runs until the next
point at which another process could act in between (`Kernel.pause`), such as the begin of a
transaction. There the kernel chooses the actor that runs next.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet

MAX_STEPS = 1500


class Crash(BaseException):
    """The process of the running actor ended; raised wherever the actor pauses or writes."""


class EndlessScheduleError(Exception):
    """A schedule takes more than `MAX_STEPS` steps."""


@dataclass(eq=False)
class Process:
    """A process that can crash, or be frozen.

    Attributes:
        worker: its name as the holder of a lease; None if it runs no jobs.
        is_disturbed: whether something kept it from renewing its lease in time.
    """

    name: str
    host: str
    worker: str | None = None
    is_alive: bool = True
    frozen_until: float = 0.0
    is_disturbed: bool = False


@dataclass(eq=False)
class Actor:
    """A thread of a process.

    Attributes:
        point: the point at which it last paused.
        wakes_at: when it goes on, unless ``is_awake`` says so earlier.
    """

    process: Process
    label: str
    thread: greenlet = field(repr=False)
    point: str = "start"
    wakes_at: float = 0.0
    is_awake: Callable[[], bool] | None = None

    @property
    def has_ended(self) -> bool:
        return bool(self.thread.dead)


class Kernel:
    """Runs actors until all have ended.

    Attributes:
        now: seconds since the schedule's begin, by a clock that is never set.
        running: the actor that runs; None while the simulation itself does.
        on_step: called after each step with its actor.
    """

    def __init__(self, random: Random) -> None:
        self.random, self.now, self.steps = random, 0.0, 0
        self.running: Actor | None = None
        self.actors: list[Actor] = []
        self._ids = 0
        self.on_step: Callable[[Actor], None] = lambda _: None
        self._hub = getcurrent()

    def next_id(self) -> int:
        """Return a number that was not returned before; ids sort by their time of creation."""
        self._ids += 1
        return self._ids

    def spawn(self, process: Process, label: str, run: Callable[[], object]) -> Actor:
        """Add an actor that calls a function; an error of it ends the schedule."""

        def call() -> None:
            with suppress(Crash, GreenletExit):
                run()

        actor = Actor(process, label, greenlet(call, self._hub))
        self.actors.append(actor)
        return actor

    def pause(self, point: str, is_awake: Callable[[], bool] | None = None, s: float = 0.0) -> None:
        """Let others act: until ``is_awake`` holds, but for at most ``s`` seconds.

        Without ``is_awake``, pause for ``s`` seconds.
        """
        if (actor := self.running) is None:
            return
        self.require_alive()
        actor.point, actor.is_awake, actor.wakes_at = point, is_awake, self.now + s
        self._hub.switch()
        self.require_alive()

    def sleep(self, s: float) -> None:
        self.pause("sleep", s=s)

    def require_alive(self) -> None:
        if self.running is not None and not self.running.process.is_alive:
            raise Crash

    def end_process(self, process: Process) -> None:
        """End a process at once; its actors run no further than to what unwinds them."""
        if not process.is_alive:  # what unwinds an actor of it ends it, too
            return
        process.is_alive = False
        process.frozen_until = 0.0
        for actor in [one for one in self.actors if one.process is process]:
            if actor is not self.running:
                self._unwind(actor)

    def run(self) -> None:
        """Run all actors to their ends.

        Raises:
            EndlessScheduleError: they do not end.
        """
        while self.actors:
            if (actor := self._next()) is not None:
                self._run(actor)

    def _next(self) -> Actor | None:
        now = self.now
        ready = [
            actor
            for actor in self.actors
            if actor.process.frozen_until <= now
            and (actor.wakes_at <= now or (actor.is_awake is not None and actor.is_awake()))
        ]
        if ready:
            return self.random.choice(ready)
        self.now = min(self._due(actor) for actor in self.actors) + 0.001
        return None

    def _run(self, actor: Actor) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise EndlessScheduleError(f"{len(self.actors)} actors run after {MAX_STEPS} steps")
        self.now += 0.001
        self.running = actor
        try:
            actor.thread.switch()
        finally:
            self.running = None
            if actor.has_ended:
                self.actors.remove(actor)
        self.on_step(actor)

    def _unwind(self, actor: Actor) -> None:
        self.actors.remove(actor)
        if not actor.thread:  # it has not started
            return
        outer, self.running = self.running, actor
        actor.thread.parent = getcurrent()
        try:
            actor.thread.throw(Crash)
        finally:
            self.running = outer

    def _due(self, actor: Actor) -> float:
        return max(actor.wakes_at, actor.process.frozen_until)
