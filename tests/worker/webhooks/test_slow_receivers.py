"""Receivers that take their time, with real listeners on loopback: ours is limited."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler

import httpcore
import pytest

from tests.waiting import DEADLINE_S
from tests.worker.webhooks.posting import send, status_and_error
from tests.worker.webhooks.receivers import receiving, talking
from worker.webhooks import sender
from worker.webhooks.deadline import Deadline
from worker.webhooks.sender import MAX_RESPONSE_BYTES


def test_an_endless_response_is_read_up_to_64_kilobytes() -> None:
    sent, hung_up = 0, threading.Event()

    def talk(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                sent += handler.wfile.write(bytes(1024))
        finally:
            hung_up.set()

    with receiving(talk) as receiver:
        started = time.monotonic()
        assert status_and_error(send(receiver.url)) == (200, None)
        assert time.monotonic() - started < DEADLINE_S
        assert hung_up.wait(DEADLINE_S)
    # In addition to what was received, the kernels of both sides had buffered some.
    assert MAX_RESPONSE_BYTES <= sent < 20_000_000


def drip(connection: socket.socket, head: bytes, every_s: float = 0.05) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(b"x")
        time.sleep(every_s)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\nx-long: ",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx: ",
    ],
)
def test_a_slow_response_ends_at_the_deadline(head: bytes) -> None:
    with talking(lambda connection: drip(connection, head)) as url:
        started = time.monotonic()
        outcome = send(url, timeout_s=0.5)
        assert 0.4 < time.monotonic() - started < DEADLINE_S
    assert status_and_error(outcome) == (None, "no response within 0.5 s")


def test_a_request_without_a_response_ends_at_the_deadline() -> None:
    done = threading.Event()
    with talking(lambda _: done.wait(DEADLINE_S)) as url:
        outcome = send(url, timeout_s=0.3)
        done.set()
    assert status_and_error(outcome) == (None, "no response within 0.3 s")


@pytest.fixture
def short_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the deadline pass soon after the status was received, however late that is."""
    deadlines: list[Deadline] = []
    read_body = sender._read_body

    class Kept(Deadline):
        def __init__(self, within_s: float) -> None:
            super().__init__(within_s)
            deadlines.append(self)

    def read(response: httpcore.Response) -> None:
        deadlines[-1]._end = time.monotonic() + 0.2
        read_body(response)

    monkeypatch.setattr(sender, "Deadline", Kept)
    monkeypatch.setattr(sender, "_read_body", read)


@pytest.mark.usefixtures("short_body")
def test_a_message_is_delivered_once_the_status_is_received() -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with talking(lambda connection: drip(connection, ok)) as url:
        started = time.monotonic()
        assert status_and_error(send(url)) == (200, None)
        assert time.monotonic() - started < DEADLINE_S
    with talking(lambda connection: connection.sendall(ok)) as url:
        assert status_and_error(send(url)) == (200, None)


def test_a_name_server_that_does_not_respond_delays_no_other_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    responds = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: responds.wait(2 * DEADLINE_S))
    started = time.monotonic()
    assert send("https://slow.example/", timeout_s=0.3).error == "no response within 0.3 s"
    assert time.monotonic() - started < DEADLINE_S
    responds.set()


def test_a_slow_handshake_ends_at_the_deadline() -> None:
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # a hello of 16 kB, of which little comes
    with talking(lambda connection: drip(connection, record)) as url:
        started = time.monotonic()
        outcome = send(url.replace("http:", "https:"), timeout_s=0.5)
        assert time.monotonic() - started < DEADLINE_S
    assert status_and_error(outcome) == (None, "no response within 0.5 s")
