"""What one attempt comes to, with real listeners on loopback."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from typing import Any

import pytest
import trustme

from db.dispatch import Outcome
from tests.worker.webhooks.receivers import Receiver, receiving, saying, talking
from worker.webhooks.sender import MOST_BYTES, Sender

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
BODY = '{"name":"Žižek"}'
HEADERS = {"webhook-id": "msg_1"}


def send(url: str, **options: Any) -> Outcome:
    return Sender(**{"networks": LOOPBACK} | options).send(url, BODY, HEADERS)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of one's own: the answers to each name, one after the other."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        told = answers.get(host)
        if told is None:
            return real(host, *args, **options)
        found = told.pop(0) if len(told) > 1 else told[0]
        return [one for address in found.split() for one in real(address, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


def told(outcome: Outcome) -> tuple[int | None, str | None]:
    """Return what an outcome says, but for its time."""
    return outcome.status, outcome.error


def test_a_message_arrives_as_it_is() -> None:
    with receiving() as receiver:
        assert told(send(f"{receiver.url}?from=us")) == (204, None)
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
    assert told(outcome) == (status, "redirects are not followed")
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


def test_others_cannot_ask_for_time() -> None:
    with receiving(saying(500, Retry_After="120")) as receiver:
        assert send(receiver.url).retry_after is None


def test_an_answer_without_an_end_is_heard_to_64_kilobytes() -> None:
    sent = 0

    def talk(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        while True:
            sent += handler.wfile.write(bytes(1024))

    with receiving(talk) as receiver:
        started = time.monotonic()
        assert told(send(receiver.url)) == (200, None)
        assert time.monotonic() - started < 5
        until_quiet(lambda: sent)
    # Beside what was heard there is what the kernels of both sides had taken already.
    assert MOST_BYTES <= sent < 20_000_000


def until_quiet(figure: Any) -> None:
    deadline = time.monotonic() + 5
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
def test_a_receiver_that_drips_is_left_when_the_time_is_up(head: bytes) -> None:
    with talking(lambda connection: drip(connection, head)) as url:
        started = time.monotonic()
        outcome = send(url, within_s=0.5)
        assert 0.4 < time.monotonic() - started < 5
    assert told(outcome) == (None, "no answer within 0.5 s")


def test_a_receiver_that_says_nothing_is_left_when_the_time_is_up() -> None:
    done = threading.Event()
    with talking(lambda _: done.wait(5)) as url:
        outcome = send(url, within_s=0.3)
        done.set()
    assert told(outcome) == (None, "no answer within 0.3 s")


def test_a_receiver_that_says_yes_has_the_message_whatever_it_says_then() -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with talking(lambda connection: drip(connection, ok)) as url:
        assert told(send(url, within_s=0.5)) == (200, None)
    with talking(lambda connection: connection.sendall(ok)) as url:
        assert told(send(url)) == (200, None)


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000,
        b"HTTP/1.1 99999 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_told(words: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(100_000)
        connection.sendall(words)

    with talking(talk) as url:
        outcome = send(url)
    assert outcome.status is None
    assert outcome.error is not None
    assert outcome.error.startswith("no answer: ")


def test_a_receiver_that_is_away_is_told() -> None:
    with receiving() as receiver:
        url = receiver.url
    outcome = send(url)
    assert outcome.status is None
    assert outcome.error is not None
    assert "refused" in outcome.error


def test_an_error_does_not_tell_the_address_behind_the_host(names: dict[str, list[str]]) -> None:
    names["hooks.example"] = ["127.0.0.1"]
    for url in ("http://hooks.example:1/s3cret?key=s3cret", "http://other.invalid/s3cret"):
        assert "s3cret" not in str(send(url))


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url).status == 204
        assert proxy.requests == []


def test_a_name_is_looked_up_once_and_what_it_becomes_then_does_not_matter(
    names: dict[str, list[str]],
) -> None:
    only = (ip_network("127.0.0.2/32"),)
    with receiving(host="127.0.0.2") as allowed:
        with receiving(host="127.0.0.1", port=allowed.port) as private:
            names["flip.example"] = ["127.0.0.2", "127.0.0.1"]
            url = f"http://flip.example:{allowed.port}/hook"
            assert told(send(url, networks=only)) == (204, None)
            assert names["flip.example"] == ["127.0.0.1"], "it was not looked up exactly once"
            outcome = send(url, networks=only)
        assert private.requests == []
    (request,) = allowed.requests
    assert request.headers["host"] == f"flip.example:{allowed.port}"
    assert outcome.status is None
    assert outcome.error is not None
    assert "127.0.0.1" in outcome.error


def test_one_address_that_is_not_allowed_spoils_the_name(names: dict[str, list[str]]) -> None:
    with receiving(host="127.0.0.2") as allowed:
        names["both.example"] = ["127.0.0.2 127.0.0.1"]
        url = f"http://both.example:{allowed.port}/"
        assert send(url, networks=(ip_network("127.0.0.2/32"),)).status is None
        assert allowed.requests == []


def test_an_address_that_is_away_is_passed_over(names: dict[str, list[str]]) -> None:
    with receiving(host="127.0.0.2") as receiver:
        names["both.example"] = ["127.0.0.3 127.0.0.2"]
        assert send(f"http://both.example:{receiver.port}/").status == 204


def test_a_name_server_that_does_not_answer_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(8))
    started = time.monotonic()
    assert send("https://slow.example/", within_s=0.3).error == "no answer within 0.3 s"
    assert time.monotonic() - started < 5


def test_a_name_that_leads_nowhere_is_told() -> None:
    outcome = send("https://nowhere.invalid/")
    assert outcome.status is None
    assert outcome.error is not None
    assert outcome.error.startswith("nowhere.invalid cannot be resolved: ")


class Authority:
    """Says who is who, to those who listen to it."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def named(authority: Authority, names: dict[str, list[str]]) -> Iterator[Receiver]:
    """A receiver that can prove to be hooks.example, and notes the name it is asked for."""
    names["hooks.example"] = names["other.example"] = ["127.0.0.1"]
    context = authority.server("hooks.example", "127.0.0.1")
    with receiving(tls=context) as receiver:
        context.sni_callback = lambda _, name, __: receiver.asked_for.append(name)
        yield receiver


def test_a_receiver_proves_the_name_and_not_the_address(
    authority: Authority, named: Receiver
) -> None:
    url = f"https://hooks.example:{named.port}/hook"
    assert told(send(url, tls=authority.client())) == (204, None)
    assert named.asked_for == ["hooks.example"]
    assert named.requests[0].headers["host"] == f"hooks.example:{named.port}"


def test_a_certificate_for_another_name_is_refused(authority: Authority, named: Receiver) -> None:
    outcome = send(f"https://other.example:{named.port}/hook", tls=authority.client())
    assert outcome.status is None
    assert outcome.error is not None
    assert "certificate is not valid for 'other.example'" in outcome.error
    assert named.requests == []


def test_a_certificate_by_nobody_known_is_refused(named: Receiver) -> None:
    outcome = send(f"https://hooks.example:{named.port}/hook")
    assert outcome.error is not None
    assert "certificate verify failed" in outcome.error
    assert named.requests == []


def test_a_handshake_that_drips_is_left_when_the_time_is_up() -> None:
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # a hello of 16 kB, of which little comes
    with talking(lambda connection: drip(connection, record)) as url:
        started = time.monotonic()
        outcome = send(url.replace("http:", "https:"), within_s=0.5)
        assert time.monotonic() - started < 5
    assert told(outcome) == (None, "no answer within 0.5 s")


def test_a_body_is_counted_in_bytes() -> None:
    with receiving() as receiver:
        Sender(LOOPBACK).send(receiver.url, json.dumps({"long": "ž" * 9000}), {})
    assert json.loads(receiver.requests[0].body) == {"long": "ž" * 9000}
