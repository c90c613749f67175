"""Requests are due at equal intervals, and the highest rate is found."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import pytest

from benchmarks.load import constant_rate
from benchmarks.load.callers import Poller
from benchmarks.load.connection import Server
from benchmarks.load.constant_rate import WAIT_FOR_LAST_S, OpenLoop, Schedule, highest_rate


def test_each_request_is_due_once_at_its_moment() -> None:
    schedule, moments = Schedule(begun=10.0, rate=4.0, number=6), []
    for now in (9.0, 10.0, 10.1, 10.5, 10.5, 99.0):
        moments += schedule.due(now)
        assert all(moment <= now for moment in moments)
    assert moments == [10.0, 10.25, 10.5, 10.75, 11.0, 11.25]


def test_the_next_moment_is_the_first_that_was_not_due() -> None:
    schedule = Schedule(begun=10.0, rate=4.0, number=2)
    assert schedule.next() == 10.0
    schedule.due(10.0)
    assert schedule.next() == 10.25
    schedule.due(10.3)
    assert schedule.next() is None


@pytest.mark.parametrize("limit", [250, 251, 999, 1000, 1300, 15_999, 16_000])
def test_the_highest_rate_is_found_to_a_tenth(limit: int) -> None:
    tried = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    assert 0.9 * limit <= highest_rate(holds) <= limit
    assert len(tried) == len(set(tried)) < 12


def test_no_rate_holds_or_all_do() -> None:
    assert highest_rate(lambda _: False) == 0
    assert highest_rate(lambda _: True) == 16_000


class Clock:
    """A clock that reaches the end of the wait for the last response once all else is over."""

    def __init__(self) -> None:
        self.is_over: Callable[[], bool] = lambda: False

    def monotonic(self) -> float:
        return time.monotonic() + (WAIT_FOR_LAST_S if self.is_over() else 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(constant_rate, "time", clock)
    return clock


class Responder(asyncio.Protocol):
    """Answers each request with the number of requests so far as its ETag, or none at all."""

    def __init__(self, received: list[bytes], ends_after: int) -> None:
        self._received, self._ends_after = received, ends_after

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        if self._ends_after == 0:
            return
        if len(self._received) > self._ends_after:
            self._transport.abort()
        etag = b"%d" % len(self._received)
        self._transport.write(b"HTTP/1.1 304 Not Modified\r\netag: " + etag + b"\r\n\r\n")


async def _answered(
    number: int, ends_after: int, clock: Clock | None = None
) -> tuple[OpenLoop, list[bytes]]:
    received: list[bytes] = []
    listening = await asyncio.get_running_loop().create_server(
        lambda: Responder(received, ends_after), "127.0.0.1", 0
    )
    server = Server(*listening.sockets[0].getsockname())
    poller = Poller(server, "/one", await server.connect())
    loop = OpenLoop(deque([poller]))
    if clock is not None:
        clock.is_over = lambda: bool(loop.load.errors or (received and ends_after == 0))
    await loop.run(Schedule(asyncio.get_running_loop().time(), 1e6, number))
    poller.connection.close()
    await asyncio.sleep(0.01)  # the closed connection reports its last request
    listening.close()
    return loop, received


def test_requests_wait_for_an_idle_connection_and_have_the_last_etag() -> None:
    loop, received = asyncio.run(_answered(3, ends_after=3))
    assert [b"if-none-match: 1\r\n" in one for one in received] == [False, True, False]
    assert b"if-none-match: 2\r\n" in received[2]
    assert (loop.load.statuses, loop.load.errors.total()) == ({304: 3}, 0)
    assert (len(loop.load.seconds), loop.load.unanswered) == (3, 0)


def test_what_is_never_answered_counts_with_the_time_that_it_waited(clock: Clock) -> None:
    loop, _ = asyncio.run(_answered(4, ends_after=1, clock=clock))
    assert (loop.load.statuses, loop.load.errors) == ({304: 1}, {"ConnectionResetError": 1})
    assert (len(loop.load.seconds), loop.load.unanswered) == (3, 2)


def test_an_unanswered_request_is_counted_once(clock: Clock) -> None:
    loop, received = asyncio.run(_answered(1, ends_after=0, clock=clock))
    assert len(received) == 1
    assert (loop.load.unanswered, loop.load.errors.total()) == (1, 0)
