"""Requests to the service, written once for clients that wait and clients that are awaited."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Event
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import httpx

from zpruner.client.models.jobs import Problem
from zpruner.client.transport.errors import ProblemError, ServiceError
from zpruner.client.transport.modes import Mode

Params = dict[str, Any]
PAUSES_S = (0.2, 0.5, 1.0)
"""Between the tries of a request that may be repeated."""

PATIENCE = 5
"""How often a request is sent again that came too soon after others: it was not looked at."""

P = ParamSpec("P")
T = TypeVar("T")


class Body(Protocol):
    """A response that is read piece by piece."""

    @property
    def response(self) -> httpx.Response:
        """Return its status and its headers."""

    async def read(self) -> None:
        """Read all that is left into the response."""

    def lines(self) -> AsyncIterator[str]:
        """Yield its lines."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield its bytes."""


class Transport(Generic[Mode]):
    """Speaks JSON to one service. How it waits is left to its two kinds."""

    base_url: str

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request, whatever comes of it."""
        raise NotImplementedError

    def stream(self, path: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Body]:
        """Open a path for reading, whatever comes of it."""
        raise NotImplementedError

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> Any:
        """Return the body of a request, made anew each time that it is sent."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        raise NotImplementedError

    async def aside(self, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Return what a function returns that computes or reads files for long."""
        raise NotImplementedError

    async def each(
        self, acts: Sequence[Callable[[], Coroutine[Any, Any, None]]], limit: int, halt: Event
    ) -> None:
        """Do all of these, so many at once; where one fails, set ``halt`` and raise its error."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a method of this client returns that does this work."""
        raise NotImplementedError

    def iterate(self, items: AsyncGenerator[Any, None]) -> Any:
        """Return what a method of this client returns that yields these."""
        raise NotImplementedError

    def __deepcopy__(self, memo: Any) -> "Transport[Mode]":
        return self

    def __reduce__(self) -> Any:
        return type(None), ()  # a job that is pickled leaves its client behind

    def address(self, path: str) -> str:
        """Return the whole URL of a path."""
        return self.base_url.rstrip("/") + path

    async def get(self, path: str, params: Params | None = None) -> Any:
        """Return what ``path`` holds."""
        return await self.ask("GET", path, params=params)

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return what a successful answer holds."""
        return (await self.send(method, path, **options)).json()

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a successful answer, or 304.

        Raises:
            ProblemError: the service refused.
            ServiceError: it could not be reached.
        """
        response = await self._request(method, path, options)
        for _ in range(PATIENCE):
            if (wait_s := _asked_wait_s(response)) is None:
                break
            await self.sleep(wait_s)
            response = await self._request(method, path, options)
        if response.is_error:
            raise ProblemError(problem_of(response))
        return response

    async def submit(self, path: str, body: Params, key: str) -> httpx.Response:
        """Post what is to be done once; send it again, with its key, while that is not certain.

        Raises:
            ProblemError: the service refused.
            ServiceError: it could not be reached; whether it got the request is not known.
        """
        headers = {"Idempotency-Key": key}
        for pause in PAUSES_S:
            try:
                return await self.send("POST", path, json=body, headers=headers)
            except ServiceError as error:
                if error.is_refusal:
                    raise
            await self.rest(pause)
        return await self.send("POST", path, json=body, headers=headers)

    @asynccontextmanager
    async def open(self, path: str, headers: dict[str, str], what: str) -> AsyncIterator[Body]:
        """Open a path for reading piece by piece.

        Args:
            path, headers: of the request.
            what: is read, for the error that it broke off.

        Raises:
            ProblemError: the service refused.
            ServiceError: it could not be reached, or broke off.
        """
        try:
            for left in reversed(range(PATIENCE + 1)):
                async with self.stream(path, headers) as body:
                    if not body.response.is_error:
                        yield body
                        return
                    await body.read()
                    wait_s = _asked_wait_s(body.response)
                    if wait_s is None or left == 0:
                        raise ProblemError(problem_of(body.response))
                await self.sleep(wait_s)
        except httpx.TransportError as error:
            raise ServiceError(f"{what} broke off: {error}") from error

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield the rows of a list, page after page."""
        response = await self.send("GET", path, params=params)
        while True:
            for row in response.json()["data"]:
                yield row
            if (following := response.links.get("next", {}).get("url")) is None:
                return
            response = await self.send("GET", following)

    async def rows(self, path: str, params: Params | None = None, limit: int | None = None) -> Any:
        """Return the rows of a list, at most ``limit``."""
        found = list[dict[str, Any]]()
        async for row in self.pages(path, params):
            if limit is not None and len(found) >= limit:
                break
            found.append(row)
        return found

    async def rest(self, pause_s: float) -> None:
        """Wait for about so long, so that many who wait do not come back at once."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        await self.sleep(max(0.0, pause_s) * jitter)

    async def _request(self, method: str, path: str, options: Params) -> httpx.Response:
        try:
            return await self.request(method, path, options)
        except httpx.TransportError as error:
            raise ServiceError(f"{self.base_url} does not answer: {error}") from error


def problem_of(response: httpx.Response) -> Problem:
    """Read a problem document; anything else is described by its status."""
    if "json" in response.headers.get("content-type", ""):
        return Problem.model_validate(response.json())
    title = f"HTTP {response.status_code} {response.reason_phrase}"
    return Problem(title=title, status=response.status_code)


def _asked_wait_s(response: httpx.Response) -> float | None:
    """Return how long to wait before the same request is heard; None: it has been."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return None
    if problem_of(response).code != "rate_limited":
        return None
    written = response.headers.get("retry-after", "1")
    return min(float(written), 60.0) if written.isdecimal() else 1.0
