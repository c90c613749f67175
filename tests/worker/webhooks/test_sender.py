"""What one attempt comes to, with real listeners on loopback."""

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.reserved_port import reserved_port
from tests.worker.webhooks.posting import BODY, LOOPBACK, send, status_and_error
from tests.worker.webhooks.receivers import receiving, saying, talking
from worker.webhooks.sender import Sender


def test_a_message_arrives_as_it_is() -> None:
    with receiving() as receiver:
        assert status_and_error(send(f"{receiver.url}?from=us")) == (204, None)
        (request,) = receiver.requests
    assert (request.path, request.body) == ("/hook?from=us", BODY)
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["user-agent"].startswith("Z-Pruner/")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"),
        (201, "delivered"),
        (299, "delivered"),
        (304, "not"),
        (400, "not"),
        (404, "not"),
        (410, "gone"),
        (418, "not"),
        (500, "not"),
        (503, "not"),
    ],
)
def test_a_status_decides(status: int, verdict: str) -> None:
    with receiving(saying(status)) as receiver:
        outcome = send(receiver.url)
    assert outcome.status == status
    assert (outcome.is_delivered, outcome.is_gone) == (verdict == "delivered", verdict == "gone")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    with receiving() as other, receiving(saying(status, Location=other.url)) as receiver:
        outcome = send(receiver.url)
    assert status_and_error(outcome) == (status, "redirects are not followed")
    assert not outcome.is_delivered
    assert other.requests == []
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("9" * 400, 86400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_a_busy_receiver_says_how_long_to_wait(status: int, wish: str, seconds: int | None) -> None:
    with receiving(saying(status, Retry_After=wish)) as receiver:
        outcome = send(receiver.url)
    assert outcome.status == status
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert outcome.retry_after == expected


def test_a_busy_receiver_may_name_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with receiving(saying(429, Retry_After=date)) as receiver:
        wait = send(receiver.url).retry_after
    assert wait is not None
    assert timedelta(minutes=59) < wait < timedelta(minutes=61)


def test_only_busy_receivers_can_request_a_delay() -> None:
    with receiving(saying(500, Retry_After="120")) as receiver:
        assert send(receiver.url).retry_after is None


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000,
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
)
def test_a_malformed_response_is_reported(words: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(100_000)
        connection.sendall(words)

    with talking(talk) as url:
        outcome = send(url)
    assert outcome.status is None
    assert outcome.error is not None
    assert outcome.error.startswith("no response: ")


def test_an_unreachable_receiver_is_reported() -> None:
    with reserved_port() as port:
        outcome = send(f"http://127.0.0.1:{port}/hook")
    assert outcome.status is None
    assert outcome.error is not None
    assert "refused" in outcome.error


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url).status == 204
        assert proxy.requests == []


def test_a_body_is_counted_in_bytes() -> None:
    with receiving() as receiver:
        Sender(LOOPBACK).send(receiver.url, json.dumps({"long": "ž" * 9000}), {})
    assert json.loads(receiver.requests[0].body) == {"long": "ž" * 9000}
