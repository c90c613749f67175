"""Measure the CPU time that polls, events and streams take: `python -m benchmarks.requests`.

Each figure is the CPU time of one request, event or stream, averaged over many of the same kind. It
includes all processes of the API. The CPU time that they use when idle is subtracted.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.load.callers import Poller, freeze_garbage, rename_once
from benchmarks.load.connection import EventStream, Server
from benchmarks.load.fan_out import Arrivals
from benchmarks.load.processes import API, cpu_seconds, limit_descriptors, running
from benchmarks.load.targets import JOBS, service_with_jobs
from benchmarks.machine import machine
from zpruner import Client

RESULTS = Path(__file__).parent / "results"
POLLS, CHANGES, EVENTS, STREAMS, CALLERS = 1000, 5 * JOBS, 25, 200, 300
AT_ONCE = 50
IDLE_S, OPEN_WITHIN_S = 5.0, 3.0
DESCRIPTORS = 1 << 16


@dataclass
class Requests:
    """Measures the CPU time of each kind of request to one service.

    Attributes:
        key: an API key of the service.
        idle: the CPU seconds per second that the API uses without requests.
        costs: by kind, the CPU milliseconds of one request, event or stream; one value per round.
    """

    server: Server
    paths: list[str]
    key: str
    idle: float = 0.0
    costs: dict[str, list[float]] = field(default_factory=dict)

    async def measure(self, rounds: int) -> None:
        """Measure all kinds of requests in each round, after a warm-up round that is discarded."""
        for number in range(rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr)
            await self._measure()
            if not number:
                self.costs.clear()

    async def _measure(self) -> None:
        self.idle = 0.0
        self.idle = await self._seconds(lambda: asyncio.sleep(IDLE_S)) / IDLE_S
        await self._polls("a conditional GET (304)", {})
        await self._polls("the same with a key", {"authorization": f"Bearer {self.key}"})
        await self._changed_polls()
        await self._new_pollers()
        await self._new_streams()
        await self._events()

    async def _polls(self, what: str, headers: dict[str, str]) -> None:
        poller = Poller(self.server, self.paths[0], await self.server.connect(), headers)
        await poller.request()

        async def poll() -> None:
            for _ in range(POLLS):
                assert (await poller.request()).status == 304

        self._note(what, await self._seconds(poll), POLLS)
        poller.connection.close()

    async def _changed_polls(self) -> None:
        """Measure polls with an ETag that no longer matches, because the job was renamed."""
        pollers = [Poller(self.server, path, await self.server.connect()) for path in self.paths]
        for poller in pollers:
            await poller.request()

        async def poll() -> None:
            for poller in pollers:
                assert (await poller.request()).status == 200

        seconds = 0.0
        for number in range(CHANGES // JOBS):
            for poller in pollers:
                await self._rename(poller.path, f"change {number} {time.monotonic()}")
            seconds += await self._seconds(poll)
        self._note("a GET of a job that has just changed (200)", seconds, CHANGES)
        for poller in pollers:
            poller.connection.close()

    async def _new_pollers(self) -> None:
        pollers: list[Poller] = []

        async def open_one(path: str) -> None:
            pollers.append(Poller(self.server, path, await self.server.connect()))
            assert (await pollers[-1].request()).status == 200

        seconds = await self._seconds(lambda: self._many(open_one))
        self._note("a new poller: connection and first GET", seconds, CALLERS)
        for poller in pollers:
            poller.connection.close()

    async def _new_streams(self) -> None:
        streams: list[EventStream] = []

        async def open_one(path: str) -> None:
            first = Arrivals(1)
            streams.append(await self.server.follow(path, first.received))
            await first.complete(1)

        seconds = await self._seconds(lambda: self._many(open_one))
        self._note("a new stream: connection and first event", seconds, CALLERS)
        for stream in streams:
            stream.close()
        await asyncio.sleep(1)

    async def _events(self) -> None:
        """Measure a PATCH with one open stream, and an event's cost for each further stream."""
        async with self._streams(1) as arrivals:
            one = await self._seconds(lambda: self._send_events(arrivals))
        async with self._streams(1 + STREAMS) as arrivals:
            all_ = await self._seconds(lambda: self._send_events(arrivals))
        self._note("a PATCH and its event to one stream", one, EVENTS)
        self._note("an event to one more stream", all_ - one, EVENTS * STREAMS)

    @asynccontextmanager
    async def _streams(self, number: int) -> AsyncIterator[Arrivals]:
        """Open streams of one job; yield once all of them have received the job's newest event."""
        path, arrivals = self.paths[0], Arrivals(number)
        streams = [await self.server.follow(path, arrivals.received) for _ in range(number)]
        await asyncio.sleep(OPEN_WITHIN_S)
        await arrivals.complete(arrivals.newest)
        yield arrivals
        for stream in streams:
            stream.close()

    async def _send_events(self, arrivals: Arrivals) -> None:
        for number in range(EVENTS):
            event = arrivals.newest + 1
            await self._rename(self.paths[0], f"event {number}")
            await arrivals.complete(event)

    async def _rename(self, path: str, name: str) -> None:
        connection = await self.server.connect()
        await rename_once(self.server, connection, path, name)
        connection.close()

    async def _many(self, open_one: Callable[[str], Awaitable[None]]) -> None:
        """Open 300 pollers or streams, spread over all jobs, 50 at a time."""
        for start in range(0, CALLERS, AT_ONCE):
            some = range(start, start + AT_ONCE)
            await asyncio.gather(*(open_one(self.paths[n % len(self.paths)]) for n in some))

    async def _seconds(self, action: Callable[[], Awaitable[object]]) -> float:
        """Run an action; return the CPU seconds of the API, minus those it would use when idle."""
        processes, started = running(API), time.monotonic()
        before = cpu_seconds(processes)
        await action()
        used = cpu_seconds(processes) - before
        return used - self.idle * (time.monotonic() - started)

    def _note(self, what: str, seconds: float, number: int) -> None:
        self.costs.setdefault(what, []).append(seconds / number * 1000)


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    limit_descriptors(DESCRIPTORS)
    with service_with_jobs() as (url, paths), Client(url) as client:
        key = client.keys.create("polls").key
        requests = Requests(Server.of(url), paths, key)
        freeze_garbage()
        asyncio.run(requests.measure(given.rounds))
    report = {"machine": machine(), "protocol": vars(given), "cpu_ms": requests.costs}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "requests.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "requests.md").write_text(_markdown(requests.costs))
    print((RESULTS / "requests.md").read_text(), file=sys.stderr)
    print(json.dumps(report))


def _markdown(costs: dict[str, list[float]]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    rows = [f"| {what} | {median(each):.3f} |" for what, each in costs.items()]
    note = f"CPU milliseconds of the API, the median of its rounds. Measured on: {where}.\n"
    return "\n".join(["| | ms |", "|---|---:|", *rows, "", note])


if __name__ == "__main__":
    main()
