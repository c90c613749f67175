"""Conditional requests that become due at a constant rate, however fast the server responds."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.load.callers import Poller, freeze_garbage, rename
from benchmarks.load.connection import Server
from benchmarks.load.figures import Load
from benchmarks.load.responses import Response

CONNECTIONS = 200
RENAME_EVERY_S = 2.0
WAIT_FOR_LAST_S = 5.0


@dataclass
class Schedule:
    """The equally spaced times at which requests are due."""

    begun: float
    rate: float
    number: int
    _handed_out: int = 0

    def due(self, now: float) -> list[float]:
        """Return the due times up to ``now`` that no earlier call has returned."""
        until = min(self.number, int((now - self.begun) * self.rate) + 1)
        moments = [self.begun + index / self.rate for index in range(self._handed_out, until)]
        self._handed_out = max(until, self._handed_out)
        return moments

    def next(self) -> float | None:
        """Return the first due time that ``due`` has not returned yet, or None after the last."""
        return self.begun + self._handed_out / self.rate if self._handed_out < self.number else None


@dataclass
class OpenLoop:
    """An open-loop load: each request is sent when it is due, on the next idle connection.

    If no connection is idle, the request waits; its response time includes the wait.

    Attributes:
        idle: connections without a pending request.
        waiting: the due times of the requests that have not been sent.
        sent: the connection and due time of each request that has been sent but not answered,
            keyed by the future of its response.
    """

    idle: deque[Poller]
    load: Load = field(default_factory=Load)
    waiting: deque[float] = field(default_factory=deque)
    sent: dict[asyncio.Future[Response], tuple[Poller, float]] = field(default_factory=dict)

    async def run(self, schedule: Schedule) -> None:
        """Send all requests, then wait up to 5 seconds for the outstanding responses.

        Requests that are still unanswered are counted in ``load.unanswered``.
        """
        while (moment := schedule.next()) is not None:
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            self.waiting.extend(schedule.due(time.monotonic()))
            self._send()
        last = time.monotonic() + WAIT_FOR_LAST_S
        while (self.sent or self.waiting) and time.monotonic() < last:
            await asyncio.sleep(0.01)
        missing = [*self.waiting, *(due for _, due in self.sent.values())]
        self.sent.clear()
        self.load.seconds += [time.monotonic() - due for due in missing]
        self.load.unanswered = len(missing)
        self.load.lasted_s = schedule.number / schedule.rate

    def _send(self) -> None:
        while self.waiting and self.idle:
            poller, due = self.idle.popleft(), self.waiting.popleft()
            response = poller.request()
            self.sent[response] = (poller, due)
            response.add_done_callback(self._received)

    def _received(self, response: asyncio.Future[Response]) -> None:
        if response not in self.sent:
            return  # it was counted as unanswered
        poller, due = self.sent.pop(response)
        if (error := response.exception()) is not None:
            self.load.errors[type(error).__name__] += 1  # the connection is not used again
            return
        self.load.seconds.append(response.result().at - due)
        self.load.statuses[response.result().status] += 1
        self.idle.append(poller)
        self._send()


def at_rate(server: Server, paths: list[str], rate: float, lasts_s: float) -> Load:
    """Send conditional requests at a constant rate on 200 connections, and rename jobs as well."""
    freeze_garbage()
    return asyncio.run(_at_rate(server, paths, rate, lasts_s))


async def _at_rate(server: Server, paths: list[str], rate: float, lasts_s: float) -> Load:
    numbers = range(CONNECTIONS)
    pollers = await asyncio.gather(*(_poller(server, paths[n % len(paths)]) for n in numbers))
    loop, begun = OpenLoop(deque(pollers)), time.monotonic()
    renames = asyncio.create_task(rename(server, paths, loop.load, begun + lasts_s, RENAME_EVERY_S))
    await loop.run(Schedule(begun, rate, round(rate * lasts_s)))
    await renames
    for poller in pollers:
        poller.connection.close()
    return loop.load


async def _poller(server: Server, path: str) -> Poller:
    """Return a poller that has already received the job's ETag."""
    poller = Poller(server, path, await server.connect())
    await poller.request()
    return poller


def highest_rate(
    holds: Callable[[float], bool], lowest: float = 250, highest: float = 16_000
) -> float:
    """Return the highest rate that passes ``holds``, to within 10 %; 0 if ``lowest`` fails.

    The rate is doubled until it fails or exceeds ``highest``. If a rate failed, the interval
    between it and the last rate that passed is then bisected.
    """
    held, rate = 0.0, lowest
    while rate <= highest and holds(rate):
        held, rate = rate, 2 * rate
    failed = rate
    while held and failed <= highest and failed - held > failed / 10:
        middle = (held + failed) / 2
        if holds(middle):
            held = middle
        else:
            failed = middle
    return held
