"""Many event streams of one job: how soon an event reaches all of them, and what they cost."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.load.callers import freeze_garbage, rename_once
from benchmarks.load.connection import Server
from benchmarks.load.processes import API, descriptors, resident_bytes

OPENED_AT_ONCE = 50
PAUSE_S = (0.05, 0.55)
"""The shortest and longest pause between events.

Pauses are random, so that events fall at varying points of the server's polling intervals.
"""
MISSED_AFTER_S = 10.0
SETTLE_S = 2.0


@dataclass
class FanOut:
    """The measurements of many streams of one job, and of their cost to the API.

    Attributes:
        from_send: for each event, the time from just before its PATCH is sent until the last
            stream receives it.
        from_response: the same, but from the arrival of the response to the PATCH; negative if the
            last stream receives the event before the response arrives.
        missed: the number of events that did not reach every stream within 10 seconds; the times
            of these events end at the timeout.
        stream_bytes: the resident memory that one stream adds to the API, on average.
        descriptors: the number of open file descriptors, summed over all processes of the API.
    """

    from_send: list[float] = field(default_factory=list)
    from_response: list[float] = field(default_factory=list)
    missed: int = 0
    stream_bytes: float = 0.0
    descriptors: int = 0


class Arrivals:
    """Tracks which events have reached every stream."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._counts: Counter[int] = Counter()
        self._complete: dict[int, asyncio.Future[float]] = {}
        self.newest = 0

    def received(self, event: int, at: float) -> None:
        self.newest = max(self.newest, event)
        self._counts[event] += 1
        if self._counts[event] == self._streams:
            self._future(event).set_result(at)

    async def complete(self, event: int) -> float:
        """Wait until all streams have received an event, and return the time of the last arrival.

        Raises:
            TimeoutError: a stream did not receive the event within 10 seconds.
        """
        return await asyncio.wait_for(asyncio.shield(self._future(event)), MISSED_AFTER_S)

    def _future(self, event: int) -> asyncio.Future[float]:
        return self._complete.setdefault(event, asyncio.get_running_loop().create_future())


def fan_out(server: Server, path: str, streams: int, events: int) -> FanOut:
    """Open event streams of a job, rename the job ``events`` times, and return the measurements."""
    freeze_garbage()
    return asyncio.run(_fan_out(server, path, streams, events))


async def _fan_out(server: Server, path: str, streams: int, events: int) -> FanOut:
    seen = FanOut()
    first = Arrivals(1)
    await server.follow(path, first.received)  # what the first stream costs is not every stream's
    await asyncio.sleep(SETTLE_S)
    arrivals, before = Arrivals(streams), resident_bytes(API)
    for start in range(0, streams, OPENED_AT_ONCE):
        some = range(min(OPENED_AT_ONCE, streams - start))
        await asyncio.gather(*(server.follow(path, arrivals.received) for _ in some))
    await arrivals.complete(first.newest)
    await asyncio.sleep(SETTLE_S)
    seen.stream_bytes = (resident_bytes(API) - before) / streams
    seen.descriptors = descriptors(API)
    for number in range(events):
        await asyncio.sleep(random.uniform(*PAUSE_S))
        await _measure_event(server, path, f"name {number}", arrivals, seen)
    return seen


async def _measure_event(
    server: Server, path: str, name: str, arrivals: Arrivals, seen: FanOut
) -> None:
    event, connection = arrivals.newest + 1, await server.connect()
    sent = time.monotonic()
    responded = (await rename_once(server, connection, path, name)).at
    connection.close()
    try:
        arrived = await arrivals.complete(event)
    except TimeoutError:
        seen.missed += 1
        arrived = time.monotonic()
    seen.from_send.append(arrived - sent)
    seen.from_response.append(arrived - responded)
