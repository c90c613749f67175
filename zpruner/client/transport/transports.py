"""The blocking and the asynchronous transport."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, ParamSpec, TypeVar

import httpx

from zpruner.client.transport.modes import Async, Sync, iterate_blocking, run_blocking
from zpruner.client.transport.transport import Params, Transport

P = ParamSpec("P")
T = TypeVar("T")
Calls = Sequence[Callable[[], Coroutine[Any, Any, None]]]


class SyncTransport(Transport[Sync]):
    """Blocks instead of awaiting, so that its coroutines never suspend."""

    def __init__(self, http: httpx.Client) -> None:
        self.http, self.shown_url = http, str(http.base_url.copy_with(userinfo=b""))

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request."""
        return self.http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator["SyncBody"]:
        """Stream the response to a GET request."""
        with self.http.stream("GET", path, headers=headers) as response:
            yield SyncBody(response)

    @asynccontextmanager
    async def stream_elsewhere(
        self, url: str, headers: dict[str, str]
    ) -> AsyncIterator["SyncBody"]:
        """Stream the response of another server to a GET request."""
        response = self.http.send(_plain_request(self.http, url, headers), stream=True, auth=None)
        try:
            yield SyncBody(response)
        finally:
            response.close()

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> "SyncContent":
        """Return the body of a request."""
        return SyncContent(pieces)

    async def sleep(self, seconds: float) -> None:
        """Sleep, blocking the thread."""
        time.sleep(seconds)

    async def call_blocking(
        self, function: Callable[P, T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Call the function."""
        return function(*args, **options)

    async def run_all(self, calls: Calls, limit: int, cancelled: Event) -> None:
        """Run the calls in threads."""
        with ThreadPoolExecutor(limit, thread_name_prefix="zpruner") as pool:
            try:
                futures = [pool.submit(_run_call, call) for call in calls]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine."""
        return run_blocking(coroutine)

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Iterate over the items."""
        return iterate_blocking(items)


class AsyncTransport(Transport[Async]):
    """Runs on the caller's event loop."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http, self.shown_url = http, str(http.base_url.copy_with(userinfo=b""))

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request."""
        return await self.http.request(method, path, **options)

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str]) -> AsyncIterator["AsyncBody"]:
        """Stream the response to a GET request."""
        async with self.http.stream("GET", path, headers=headers) as response:
            yield AsyncBody(response)

    @asynccontextmanager
    async def stream_elsewhere(
        self, url: str, headers: dict[str, str]
    ) -> AsyncIterator["AsyncBody"]:
        """Stream the response of another server to a GET request."""
        request = _plain_request(self.http, url, headers)
        response = await self.http.send(request, stream=True, auth=None)
        try:
            yield AsyncBody(response)
        finally:
            await response.aclose()

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> "AsyncContent":
        """Return the body of a request."""
        return AsyncContent(pieces)

    async def sleep(self, seconds: float) -> None:
        """Sleep without blocking the event loop."""
        await asyncio.sleep(seconds)

    async def call_blocking(
        self, function: Callable[P, T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Call the function in a thread."""
        return await asyncio.to_thread(function, *args, **options)

    async def run_all(self, calls: Calls, limit: int, cancelled: Event) -> None:
        """Run the calls as tasks."""
        slots = asyncio.Semaphore(limit)

        async def run_one(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
            async with slots:
                await call()

        tasks = [asyncio.create_task(run_one(call)) for call in calls]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            cancelled.set()
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """Return the coroutine for the caller to await."""
        return coroutine

    def iterate(self, items: AsyncGenerator[T, None]) -> AsyncIterator[T]:
        """Return the asynchronous iterator."""
        return items


def _plain_request(
    http: httpx.Client | httpx.AsyncClient, url: str, headers: dict[str, str]
) -> httpx.Request:
    """Return a request with these headers only: without the client's key and cookies."""
    timeout = {"timeout": http.timeout.as_dict()}
    return httpx.Request("GET", url, headers=headers, extensions=timeout)


def _run_call(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_blocking(call())


@dataclass(frozen=True)
class SyncBody:
    """A streamed response that is read with blocking calls."""

    response: httpx.Response

    async def read(self) -> None:
        """Read the rest of the body."""
        self.response.read()

    async def lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body."""
        for line in self.response.iter_lines():
            yield line

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the body, as they were sent."""
        for piece in self.response.iter_raw():
            yield piece


@dataclass(frozen=True)
class AsyncBody:
    """A streamed response that is read with asynchronous calls."""

    response: httpx.Response

    async def read(self) -> None:
        """Read the rest of the body."""
        await self.response.aread()

    def lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body."""
        return self.response.aiter_lines()

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the body, as they were sent."""
        return self.response.aiter_raw()


@dataclass(frozen=True)
class SyncContent:
    """A request body for the blocking client."""

    make: Callable[[], Iterator[bytes]]

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


@dataclass(frozen=True)
class AsyncContent:
    """A request body for the asynchronous client; files are read in threads."""

    make: Callable[[], Iterator[bytes]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.make()
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
