"""Coroutines that poll jobs, rename jobs, and follow the event streams of jobs."""

import asyncio
import gc
import json
import random
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from itertools import count

from benchmarks.load.connection import Connection, Server, StreamRefusedError
from benchmarks.load.figures import Load
from benchmarks.load.responses import Response

POLL_EVERY_S, RENAME_EVERY_S = 2.0, 0.5
SETTLED_AFTER_S = 3 * POLL_EVERY_S
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Callers:
    """The simulated clients that put load on one server.

    Attributes:
        paths: the paths of the jobs, over which pollers and streams are spread evenly.
        pollers, streams: the number of each.
        renames: whether the jobs are also renamed, one at a time.
    """

    server: Server
    paths: list[str]
    pollers: int
    streams: int = 0
    renames: bool = False

    def run(self, load: Load, lasts_s: float) -> None:
        """Run all callers for ``lasts_s`` seconds, and add their measurements to ``load``."""
        freeze_garbage()
        asyncio.run(self._run(load, lasts_s))
        load.lasted_s += lasts_s

    async def _run(self, load: Load, lasts_s: float) -> None:
        begun = time.monotonic()
        settled, until = begun + SETTLED_AFTER_S, begun + lasts_s
        all_: list[Coroutine[None, None, None]] = [
            self._poll(self._path(number), load, settled, until) for number in range(self.pollers)
        ]
        all_ += [self._follow(self._path(number), load, until) for number in range(self.streams)]
        if self.renames:
            all_.append(rename(self.server, self.paths, load, until))
        await asyncio.gather(*all_)

    def _path(self, number: int) -> str:
        return self.paths[number % len(self.paths)]

    async def _poll(self, path: str, load: Load, settled: float, until: float) -> None:
        poller: Poller | None = None
        await asyncio.sleep(random.uniform(0, POLL_EVERY_S))
        while (started := time.monotonic()) < until:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    poller = poller or Poller(self.server, path, await self.server.connect())
                    response = await poller.request()
            except OSError as error:  # TimeoutError is one
                load.errors[type(error).__name__] += 1
                poller = None
            else:
                load.seconds.append(response.at - started)
                if started > settled:
                    load.later.append(load.seconds[-1])
                load.statuses[response.status] += 1
            await asyncio.sleep(max(0.0, started + POLL_EVERY_S - time.monotonic()))
        if poller is not None:
            poller.connection.close()

    async def _follow(self, path: str, load: Load, until: float) -> None:
        def received(_id: int, _at: float) -> None:
            load.events += 1

        await asyncio.sleep(random.uniform(0, POLL_EVERY_S))
        try:
            stream = await self.server.follow(path, received)
        except (OSError, StreamRefusedError) as error:
            load.errors[str(error)] += 1
            return
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await stream.ended.wait()
                load.errors["stream that ended"] += 1
        except TimeoutError:
            stream.close()


@dataclass
class Poller:
    """Polls one job over a keep-alive connection; each request carries the last ETag received."""

    server: Server
    path: str
    connection: Connection
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: bytes = b""

    def request(self) -> asyncio.Future[Response]:
        headers = {**self.headers, **({"if-none-match": self.etag.decode()} if self.etag else {})}
        response = self.connection.request(self.server.message(self.path, headers=headers))
        response.add_done_callback(self._remember)
        return response

    def _remember(self, response: asyncio.Future[Response]) -> None:
        if not response.cancelled() and response.exception() is None:
            self.etag = response.result().etag


async def rename(
    server: Server, paths: list[str], load: Load, until: float, every_s: float = RENAME_EVERY_S
) -> None:
    """Rename the jobs in turn, one at a time; errors are counted in ``load``."""
    for number in count(1):
        if time.monotonic() >= until:
            return
        try:
            connection = await server.connect()
            await rename_once(server, connection, paths[number % len(paths)], f"name {number}")
            connection.close()
        except OSError as error:
            load.errors[str(error)] += 1
        await asyncio.sleep(every_s)


async def rename_once(server: Server, connection: Connection, path: str, name: str) -> Response:
    """Rename a job.

    Raises:
        OSError: the response was an error, or the connection failed.
    """
    body = json.dumps({"name": name})
    response = await connection.request(server.message(path, "PATCH", body=body))
    if response.status != 200:
        raise OSError(f"PATCH: status {response.status}")
    return response


def freeze_garbage() -> None:
    """Exempt all current objects from garbage collection, to avoid pauses for scanning them."""
    gc.collect()
    gc.freeze()
