"""Requests to the service, for the blocking and the asynchronous client."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from threading import Event
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import httpx
from pydantic import ValidationError

from zpruner.client.models.jobs import Problem
from zpruner.client.transport.errors import (
    BucketResponseError,
    ConnectionLostError,
    ProblemError,
    ServiceError,
    UnsendableTextError,
)
from zpruner.client.transport.modes import Mode

Params = dict[str, Any]
PAUSES_S = (0.2, 0.5, 1.0)
"""Delays between the attempts of an idempotent request."""

WITHOUT_CONTENT = (httpx.codes.NO_CONTENT, httpx.codes.NOT_MODIFIED)
"""Statuses of responses without a body."""

FORMS = {"JSON": "json", "stream of events": "text/event-stream"}
"""The part of a content type by which each form of a response is known."""

MAX_RETRIES = 5
"""The maximum number of retries of a request that exceeds the rate limit."""

P = ParamSpec("P")
T = TypeVar("T")


class Body(Protocol):
    """A streamed response."""

    @property
    def response(self) -> httpx.Response:
        """The response with its status and headers."""

    async def read(self) -> None:
        """Read the rest of the body into the response."""

    def lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the body, as they were sent: still compressed, if they were."""


class Transport(Generic[Mode]):
    """Sends requests to one service; subclasses do so with blocking or asynchronous calls."""

    shown_url: str
    """The URL of the service, without user name and password."""

    async def request(self, method: str, path: str, options: Params) -> httpx.Response:
        """Send a request and return the response, whatever its status."""
        raise NotImplementedError

    def stream(self, path: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Body]:
        """Stream the response to a GET request, whatever its status."""
        raise NotImplementedError

    def stream_elsewhere(
        self, url: str, headers: dict[str, str]
    ) -> AbstractAsyncContextManager[Body]:
        """Stream the response of another server to a GET request; the key is not sent to it."""
        raise NotImplementedError

    def content(self, pieces: Callable[[], Iterator[bytes]]) -> Any:
        """Return a request body that is created anew for each attempt."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds."""
        raise NotImplementedError

    async def call_blocking(
        self, function: Callable[P, T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Call a blocking function; an asynchronous client calls it in a thread."""
        raise NotImplementedError

    async def run_all(
        self, calls: Sequence[Callable[[], Coroutine[Any, Any, None]]], limit: int, cancelled: Event
    ) -> None:
        """Run the calls, at most ``limit`` at once.

        If a call fails, set ``cancelled`` and raise its error.
        """
        raise NotImplementedError

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine and return its result; an asynchronous client returns the coroutine."""
        raise NotImplementedError

    def iterate(self, items: AsyncGenerator[Any, None]) -> Any:
        """Return an iterator over the items; an asynchronous client returns an asynchronous one."""
        raise NotImplementedError

    def __deepcopy__(self, memo: Any) -> "Transport[Mode]":
        return self

    def __reduce__(self) -> Any:
        return type(None), ()  # a pickled job has no client

    def address(self, path: str) -> str:
        """Return the absolute URL of a path, without user name and password."""
        return self.shown_url.rstrip("/") + path

    async def get(self, path: str, params: Params | None = None) -> Any:
        """Send a GET request and return the JSON of its response."""
        return await self.request_json("GET", path, params=params)

    async def request_json(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return the JSON of its response."""
        return (await self.send(method, path, **options)).json()

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, and return a response that is successful or has the status 304.

        A request that exceeds the rate limit is sent again.

        Raises:
            ProblemError: the service responded with an error.
            ServiceError: the service could not be reached, or its response is not JSON.
        """
        response = await self._request(method, path, options)
        for _ in range(MAX_RETRIES):
            if (wait_s := _retry_after_s(response)) is None:
                break
            await self.sleep(wait_s)
            response = await self._request(method, path, options)
        if response.is_error:
            raise ProblemError(problem_of(response))
        if response.status_code not in WITHOUT_CONTENT:
            self.check_is("JSON", response)
        return response

    def check_is(self, form: str, response: httpx.Response) -> None:
        """Check the content type of a response.

        Args:
            form: a key of ``FORMS``.
            response: a response that has content.

        Raises:
            ServiceError: its content is of another type, for instance a page of a proxy.
        """
        kind = response.headers.get("content-type", "nothing")
        if FORMS[form] not in kind:
            answer = f"{response.status_code} with no {form}, but {kind}"
            raise ServiceError(f"{self.shown_url} answered {answer}: is ZPRUNER_URL right?")

    async def submit(self, path: str, body: Params, key: str) -> httpx.Response:
        """Send a POST request with an idempotency key, which makes repeating it safe.

        The request is repeated if its response is lost or has a status of 500 or more.

        Raises:
            ProblemError: the service responded with an error.
            ServiceError: the service could not be reached; it may have processed the request.
        """
        headers = {"Idempotency-Key": key}
        for pause in PAUSES_S:
            try:
                return await self.send("POST", path, json=body, headers=headers)
            except ServiceError as error:
                if error.is_refusal:
                    raise
            await self.sleep_with_jitter(pause)
        return await self.send("POST", path, json=body, headers=headers)

    @asynccontextmanager
    async def open(
        self, path: str, headers: dict[str, str], description: str
    ) -> AsyncIterator[Body]:
        """Stream the response to a GET request; repeat a request that exceeds the rate limit.

        If the service redirects to the bucket that has a file, the response is the bucket's.

        Args:
            path, headers: the path and the headers of the request.
            description: what is downloaded, for the error message.

        Raises:
            ProblemError: the service responded with an error.
            BucketResponseError: the bucket did, or the connection to it was lost.
            ConnectionLostError: the service could not be reached, or the connection was lost.
        """
        try:
            for left in reversed(range(MAX_RETRIES + 1)):
                async with self._final_response(path, headers, description) as body:
                    if not body.response.is_error:
                        yield body
                        return
                    await body.read()
                    wait_s = _retry_after_s(body.response)
                    if wait_s is None or left == 0:
                        raise ProblemError(problem_of(body.response))
                await self.sleep(wait_s)
        except httpx.TransportError as error:
            lost = f"{description}: the connection was lost: {error}"
            raise ConnectionLostError(lost) from error

    @asynccontextmanager
    async def _final_response(
        self, path: str, headers: dict[str, str], description: str
    ) -> AsyncIterator[Body]:
        """Stream the service's response, or that of the bucket to which it redirects.

        The bucket knows neither the service's key nor its entity tags.
        """
        async with self.stream(path, headers) as body:
            if not body.response.has_redirect_location:
                yield body
                return
            await body.read()
            url = body.response.headers["location"]
        wanted = {name: value for name, value in headers.items() if name == "Range"}
        try:
            async with self.stream_elsewhere(url, wanted) as body:
                if body.response.is_error:
                    status = body.response.status_code
                    raise BucketResponseError(f"{description}: the bucket responded with {status}")
                yield body
        except httpx.TransportError as error:
            raise BucketResponseError(
                f"{description}: the connection to the bucket was lost: {error}"
            ) from error

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield the rows of all pages of a list."""
        response = await self.send("GET", path, params=params)
        while True:
            for row in response.json()["data"]:
                yield row
            if (following := response.links.get("next", {}).get("url")) is None:
                return
            response = await self.send("GET", following)

    async def rows(self, path: str, params: Params | None = None, limit: int | None = None) -> Any:
        """Return the rows of a list: at most ``limit`` rows, or all if ``limit`` is None."""
        rows = list[dict[str, Any]]()
        async for row in self.pages(path, params):
            if limit is not None and len(rows) >= limit:
                break
            rows.append(row)
        return rows

    async def sleep_with_jitter(self, pause_s: float) -> None:
        """Sleep for ``pause_s`` ± 20 %, so that many clients do not retry at the same moment."""
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
        await self.sleep(max(0.0, pause_s) * jitter)

    async def _request(self, method: str, path: str, options: Params) -> httpx.Response:
        try:
            return await self.request(method, path, options)
        except httpx.TransportError as error:
            remedy = "Start it (zpruner serve), or set ZPRUNER_URL to where it runs."
            reason = f"{self.shown_url} does not respond: {error}"
            raise ServiceError(f"{reason}. {remedy}") from error
        except UnicodeEncodeError as error:
            text = ascii(error.object[error.start : error.end])
            reason = f"{text} cannot be sent, because it is not {error.encoding.upper()}"
            raise UnsendableTextError(f"{reason}: leave it out") from error


def problem_of(response: httpx.Response) -> Problem:
    """Return a response's problem document; if it has none, make a document from its status."""
    status = response.status_code
    with suppress(ValidationError):
        return Problem.model_validate_json(response.content).model_copy(update={"status": status})
    return Problem(title=f"HTTP {status} {response.reason_phrase}", status=status)


def _retry_after_s(response: httpx.Response) -> float | None:
    """Return how many seconds to wait if the request exceeded the rate limit; otherwise None."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return None
    if problem_of(response).code != "rate_limited":
        return None
    delay = response.headers.get("retry-after", "1")
    return min(float(delay), 60.0) if delay.isdecimal() else 1.0
