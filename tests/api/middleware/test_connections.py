"""Connections that send nothing or too slowly, and too many connections."""

import asyncio
import logging
import socket
import time
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.core.settings import ApiSettings
from api.middleware import connections
from api.middleware.connections import Connection, ThrottleFilter
from tests.api.live import serving
from tests.fakes import ListQueue

STREAMS, SILENT = 1000, 1100
AT_ONCE = 50
"""How many streams are opened at once: each has to send its request within the timeout."""
LAST = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
HEAD = b"POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


class Hasty(Connection):
    """A connection with shorter timeouts."""

    headers_timeout_s = 1.5
    body_interval_s = 1.5
    body_min_bytes = 100


class Steady(Hasty):
    """A connection whose body may pause for a while, as its client may on a busy machine."""

    body_interval_s = 5.0


class Patient(Hasty):
    """A connection with the timeout that clients on a busy machine need."""

    headers_timeout_s = 15.0


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with serving(app, http=Hasty) as url:
        yield url


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def read_to_end(line: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection; fail if it does not."""
    with line:
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_a_connection_that_sends_nothing_is_closed(url: str) -> None:
    assert read_to_end(connect(url)) == b""


@pytest.mark.parametrize("sent", [b"G", b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"])
def test_headers_that_do_not_end_are_refused(url: str, sent: bytes) -> None:
    line = connect(url)
    line.sendall(sent)
    answer = read_to_end(line)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"application/problem+json" in answer


def test_headers_that_arrive_one_by_one_are_refused(url: str) -> None:
    line = connect(url)
    line.sendall(b"GET /healthz HTTP/1.1\r\n")
    deadline = time.monotonic() + 30
    with suppress(OSError):  # the server has closed, in whichever way the system says so
        while time.monotonic() < deadline:
            line.sendall(b"x-header: 1\r\n")
            time.sleep(0.02)
    line.close()
    assert time.monotonic() < deadline


def test_a_body_that_does_not_arrive_ends_the_connection(url: str) -> None:
    line = connect(url)
    line.sendall(HEAD + b'content-length: 100\r\n\r\n{"model"')
    assert b" 201 " not in read_to_end(line)


def test_the_same_time_limits_hold_for_a_second_request(url: str) -> None:
    line = connect(url)
    line.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert line.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    line.sendall(b"GET /hea")
    assert b"HTTP/1.1 408 " in read_to_end(line)


def test_a_slow_response_does_not_end_the_connection(url: str) -> None:
    """A wait for a job, or a stream, is silent for longer than headers may take."""
    line = connect(url)
    with line:
        line.sendall(
            b"GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
        )
        assert b" 200 " in line.recv(65536)
        time.sleep(3 * Hasty.headers_timeout_s)
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            read_to_end(line)


def test_a_body_that_arrives_slowly_but_steadily_is_accepted(app: FastAPI) -> None:
    body = b'{"model": "local:nothing", "sparsity": 0.5, "dataset": "c4"' + b" " * 1500 + b"}"
    with serving(app, http=Steady) as url:
        line = connect(url)
        line.sendall(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 100):
            line.sendall(body[start : start + 100])
            time.sleep(0.1)
        assert b" 422 " in read_to_end(line).partition(b"\r\n")[0]


def test_a_connection_beyond_the_maximum_is_refused_and_logged_once(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "max_connections", lambda: 5)
    monkeypatch.setattr(connections, "_THROTTLE", ThrottleFilter())
    with serving(app) as url, caplog.at_level(logging.WARNING):
        lines = [connect(url) for _ in range(20)]
        refused = [read_to_end(line) for line in lines[5:]]
        for line in lines[:5]:
            line.sendall(LAST)
            assert read_to_end(line).startswith(b"HTTP/1.1 200 OK\r\n")
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
    assert all(one.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") for one in refused)
    assert all(b"retry-after: 5" in one for one in refused)
    assert [
        one.getMessage() for one in caplog.records if one.name == "api.middleware.connections"
    ] == ["5 connections are open, so no more are accepted"]


def test_warnings_that_clients_cause_are_logged_once_a_minute() -> None:
    seldom = ThrottleFilter()

    def logged(message: str) -> bool:
        return seldom.filter(logging.makeLogRecord({"msg": message, "levelno": logging.ERROR}))

    accept = "socket.accept() out of system resource\nsocket: <socket.socket fd=9>"
    assert [logged(accept) for _ in range(3)] == [True, False, False]
    assert [logged("Exception in ASGI application\n") for _ in range(3)] == [True] * 3
    cut_off = {"exc_info": (CancelledError, CancelledError(), None)}
    assert not seldom.filter(logging.makeLogRecord(cut_off))


async def _stream(url: str, until: bytes, slots: asyncio.Semaphore) -> asyncio.StreamWriter:
    parts = urlsplit(url)
    async with slots:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(
            b"GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
        )
        await reader.readuntil(until)
    return writer


async def _crowd(url: str) -> list[int]:
    """Return the response to a request among idle streams and silent connections."""
    parts = urlsplit(url)
    lines = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(SILENT)]
    slots = asyncio.Semaphore(AT_ONCE)
    opening = (_stream(url, b"event: ready", slots) for _ in range(STREAMS))
    streams = await asyncio.gather(*opening)
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        statuses = [(await client.get(path)).status_code for path in ("/healthz", "/v1/jobs")]
    ended = await asyncio.gather(*(reader.read() for reader, _ in lines))
    assert set(ended) == {b""}
    writers = [*streams, *(writer for _, writer in lines)]
    for writer in writers:
        writer.close()
    await asyncio.gather(*(one.wait_closed() for one in writers), return_exceptions=True)
    return statuses


def test_a_thousand_streams_and_more_silent_connections_fit(
    settings: ApiSettings, queue: ListQueue
) -> None:
    app = create_app(settings.model_copy(update={"rate_limit_per_minute": 0}), queue)
    with serving(app, http=Patient) as url:
        assert asyncio.run(_crowd(url)) == [200, 200]
