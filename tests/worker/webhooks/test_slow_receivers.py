"""Receivers that take their time, with real listeners on loopback: ours is limited."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.worker.webhooks.posting import send, status_and_error
from tests.worker.webhooks.receivers import receiving, talking
from worker.webhooks.sender import MAX_RESPONSE_BYTES


def test_an_endless_response_is_read_up_to_64_kilobytes() -> None:
    sent = 0

    def talk(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        while True:
            sent += handler.wfile.write(bytes(1024))

    with receiving(talk) as receiver:
        started = time.monotonic()
        assert status_and_error(send(receiver.url)) == (200, None)
        assert time.monotonic() - started < 30
        until_quiet(lambda: sent)
    # In addition to what was received, the kernels of both sides had buffered some.
    assert MAX_RESPONSE_BYTES <= sent < 20_000_000


def until_quiet(figure: Any) -> None:
    deadline = time.monotonic() + 60
    before = -1
    while (now := figure()) != before:
        assert time.monotonic() < deadline
        before = now
        time.sleep(0.1)


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
        assert 0.4 < time.monotonic() - started < 30
    assert status_and_error(outcome) == (None, "no response within 0.5 s")


def test_a_request_without_a_response_ends_at_the_deadline() -> None:
    done = threading.Event()
    with talking(lambda _: done.wait(60)) as url:
        outcome = send(url, timeout_s=0.3)
        done.set()
    assert status_and_error(outcome) == (None, "no response within 0.3 s")


def test_a_message_is_delivered_once_the_status_is_received() -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with talking(lambda connection: drip(connection, ok)) as url:
        assert status_and_error(send(url, timeout_s=0.5)) == (200, None)
    with talking(lambda connection: connection.sendall(ok)) as url:
        assert status_and_error(send(url)) == (200, None)


def test_a_name_server_that_does_not_respond_delays_no_other_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(40))
    started = time.monotonic()
    assert send("https://slow.example/", timeout_s=0.3).error == "no response within 0.3 s"
    assert time.monotonic() - started < 30


def test_a_slow_handshake_ends_at_the_deadline() -> None:
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # a hello of 16 kB, of which little comes
    with talking(lambda connection: drip(connection, record)) as url:
        started = time.monotonic()
        outcome = send(url.replace("http:", "https:"), timeout_s=0.5)
        assert time.monotonic() - started < 30
    assert status_and_error(outcome) == (None, "no response within 0.5 s")
