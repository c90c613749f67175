"""The two kinds of transport: one waits, the other is awaited."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, ParamSpec, TypeVar

import httpx

from zpruner.client.transport.modes import Async, Sync, finish, finished_each
from zpruner.client.transport.transport import Params, Transport

P = ParamSpec("P")
T = TypeVar("T")
Acts = Sequence[Callable[[], Coroutine[Any, Any, None]]]


class SyncTransport(Transport[Sync]):
    """Blocks wherever there is something to wait for, so that its coroutines never suspend."""

    def __init__(self, http: httpx.Client) -> None:
        self.http, self.base_url = http, str(http.base_url)

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request."""
        return self.http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator["SyncBody"]:
        """Open a path for reading."""
        with self.http.stream("GET", path, headers=headers) as response:
            yield SyncBody(response)

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> "Pieces":
        """Return the body of a request."""
        return Pieces(pieces)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def aside(self, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Call it."""
        return act(*args, **options)

    async def each(self, acts: Acts, limit: int, halt: Event) -> None:
        """Do all of these in threads."""
        with ThreadPoolExecutor(limit, thread_name_prefix="zpruner") as pool:
            try:
                futures = [pool.submit(_do, act) for act in acts]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                halt.set()
                pool.shutdown(cancel_futures=True)
                raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work."""
        return finish(work)

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield them."""
        return finished_each(items)


class AsyncTransport(Transport[Async]):
    """Runs on the event loop of whoever calls."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http, self.base_url = http, str(http.base_url)

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request."""
        return await self.http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator["AsyncBody"]:
        """Open a path for reading."""
        async with self.http.stream("GET", path, headers=headers) as response:
            yield AsyncBody(response)

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> "AsyncPieces":
        """Return the body of a request."""
        return AsyncPieces(pieces)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def aside(self, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Call it in a thread."""
        return await asyncio.to_thread(act, *args, **options)

    async def each(self, acts: Acts, limit: int, halt: Event) -> None:
        """Do all of these in tasks."""
        turns = asyncio.Semaphore(limit)

        async def one(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
            async with turns:
                await act()

        tasks = [asyncio.create_task(one(act)) for act in acts]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            halt.set()
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def run(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """Leave the work to whoever awaits it."""
        return work

    def iterate(self, items: AsyncGenerator[T, None]) -> AsyncIterator[T]:
        """Leave them to whoever asks for them."""
        return items


def _do(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    finish(act())


@dataclass(frozen=True)
class SyncBody:
    """A response that is read by waiting."""

    response: httpx.Response

    async def read(self) -> None:
        """Read all that is left."""
        self.response.read()

    async def lines(self) -> AsyncIterator[str]:
        """Yield its lines."""
        for line in self.response.iter_lines():
            yield line

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield its bytes."""
        for piece in self.response.iter_bytes():
            yield piece


@dataclass(frozen=True)
class AsyncBody:
    """A response that is read by awaiting."""

    response: httpx.Response

    async def read(self) -> None:
        """Read all that is left."""
        await self.response.aread()

    def lines(self) -> AsyncIterator[str]:
        """Yield its lines."""
        return self.response.aiter_lines()

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield its bytes."""
        return self.response.aiter_bytes()


@dataclass(frozen=True)
class Pieces:
    """The body of a request of a client that waits."""

    make: Callable[[], Iterator[bytes]]

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


@dataclass(frozen=True)
class AsyncPieces:
    """The body of a request of a client that is awaited; files are read in threads."""

    make: Callable[[], Iterator[bytes]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.make()
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
