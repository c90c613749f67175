"""Requests that are invalid, ambiguous or too large, and several requests in advance."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from api.middleware.http_protocol import MAX_HEAD_BYTES, MAX_WAITING
from tests.api.live import serving

HOST = b"host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
GET = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"
INVALID_HEADS = {
    "no request": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "unknown method": b"FOO / HTTP/1.1\r\n" + HOST,
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST,
    "control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST,
    "target without a path": b"GET http://a HTTP/1.1\r\n" + HOST,
    "lines without CR": b"GET / HTTP/1.1\nhost: a\n\n",
    "no version": b"GET /\r\n",
    "version 0.9": b"GET / HTTP/0.9\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\n" + HOST,
    "connection preface of version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    "tunnel": b"CONNECT a:80 HTTP/1.1\r\n" + HOST,
    "tunnel to a path": b"CONNECT / HTTP/1.1\r\n" + HOST,
    "no host": b"GET / HTTP/1.1\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: b\r\n" + HOST,
    "two hosts in 1.0": b"GET / HTTP/1.0\r\nhost: b\r\n" + HOST,
    "header without a colon": POST + b"x\r\n",
    "header without a name": POST + b": 1\r\n",
    "space before the colon": POST + b"x : 1\r\n",
    "space before the first header": b"GET / HTTP/1.1\r\n " + HOST,
    "header on two lines": POST + b"x: 1\r\n 2\r\n",
    "NUL in a header": POST + b"x: 1\0\r\n",
    "CR in a header": POST + b"x: 1\ry: 2\r\n",
    "LF in a header": POST + b"x: 1\ny: 2\r\n",
    "two lengths": POST + b"content-length: 3\r\ncontent-length: 4\r\n",
    "one length twice": POST + b"content-length: 3\r\ncontent-length: 3\r\n",
    "list of lengths": POST + b"content-length: 3, 3\r\n",
    "signed length": POST + b"content-length: +3\r\n",
    "negative length": POST + b"content-length: -3\r\n",
    "hexadecimal length": POST + b"content-length: 0x3\r\n",
    "endless length": POST + b"content-length: 99999999999999999999\r\n",
    "empty length": POST + b"content-length:\r\n",
    "length and chunks": POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
    "chunks and length": POST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    "compressed chunks": POST + b"transfer-encoding: gzip, chunked\r\n",
    "compressed chunks in two headers": POST
    + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
    "chunks that end in another coding": POST + b"transfer-encoding: chunked, gzip\r\n",
    "chunks twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    "unknown coding": POST + b"transfer-encoding: xchunked\r\n",
    "coding that changes nothing": POST + b"transfer-encoding: identity\r\n",
    "hidden coding": POST + b"transfer-encoding: \x0bchunked\r\n",
    "chunks in 1.0": b"POST / HTTP/1.0\r\n" + HOST + b"transfer-encoding: chunked\r\n",
}
INVALID_CHUNKS = {
    "letters": b"zz\r\nabc\r\n0\r\n\r\n",
    "sign": b"-3\r\nabc\r\n0\r\n\r\n",
    "prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "space": b"3 \r\nabc\r\n0\r\n\r\n",
    "too large a number": b"fffffffffffffffff\r\nabc\r\n",
    "lines without CR": b"3\nabc\n0\n\n",
    "longer than announced": b"3\r\nabcd\r\n0\r\n\r\n",
    "invalid trailer": b"0\r\nx : 1\r\n\r\n",
}
ENDLESS = {
    "target": (b"GET /", b""),
    "name of a header": (POST, b""),
    "value of a header": (POST + b"x: ", b""),
    "chunk extension": (CHUNKED, b"3;"),
    "name of a trailer": (CHUNKED, b"3\r\nabc\r\n0\r\n"),
    "value of a trailer": (CHUNKED, b"0\r\nx: "),
}


class Echo:
    """An application that answers with the request; /stream repeats "." until the client has gone.

    Attributes:
        seen: the paths of all requests.
        stream_ended: set when a stream's client has gone.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.stream_ended = threading.Event()
        self._is_called = threading.Event()

    def forget(self) -> None:
        self.seen.clear()
        self._is_called.clear()
        self.stream_ended.clear()

    def wait_for_request(self) -> None:
        assert self._is_called.wait(30)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.seen.append(scope["path"])
        self._is_called.set()
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part["body"]
            if not part["more_body"]:
                break
        if scope["path"] == "/stream":
            await self._stream(receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        answer = json.dumps({"path": scope["path"], "headers": headers, "body": body.decode()})
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer.encode()})

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        disconnect = asyncio.ensure_future(receive())
        while not disconnect.done():
            await send({"type": "http.response.body", "body": b".", "more_body": True})
            await asyncio.sleep(0.01)
        self.stream_ended.set()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Echo, str]]:
    echo = Echo()
    with serving(echo) as url:
        yield echo, url


@pytest.fixture
def echo(served: tuple[Echo, str]) -> Echo:
    served[0].forget()
    return served[0]


@pytest.fixture
def line(served: tuple[Echo, str]) -> Iterator[socket.socket]:
    """A connection to the application."""
    parts = urlsplit(served[1])
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        yield line


def read_to_end(line: socket.socket) -> bytes:
    return b"".join(iter(lambda: line.recv(65536), b""))


def answers(line: socket.socket, number: int) -> list[dict[str, Any]]:
    """Return the application's answers, of which ``number`` are expected."""
    with line.makefile("rb") as lines:
        return [answer(lines) for _ in range(number)]


def answer(lines: BinaryIO) -> dict[str, Any]:
    assert lines.readline() == b"HTTP/1.1 200 OK\r\n"
    headers = dict(one.rstrip().split(b": ") for one in iter(lines.readline, b"\r\n"))
    found: dict[str, Any] = json.loads(lines.read(int(headers[b"content-length"])))
    return found


def refusal(line: socket.socket) -> dict[str, Any]:
    """Return the one problem that a connection ends with."""
    head, _, body = read_to_end(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b"\r\nconnection: close" in head
    found: dict[str, Any] = json.loads(body)
    return found


@pytest.mark.parametrize("head", INVALID_HEADS.values(), ids=INVALID_HEADS)
def test_an_invalid_request_is_refused_and_not_seen_by_the_application(
    line: socket.socket, echo: Echo, head: bytes
) -> None:
    line.sendall(head + b"\r\n")
    problem = refusal(line)
    assert (problem["status"], problem["code"]) == (400, "bad_request")
    assert problem["detail"].startswith("The request is not valid HTTP: ")
    assert echo.seen == []


@pytest.mark.parametrize("body", INVALID_CHUNKS.values(), ids=INVALID_CHUNKS)
def test_an_invalid_body_is_refused(line: socket.socket, body: bytes) -> None:
    line.sendall(CHUNKED + body)
    assert refusal(line)["status"] == 400


@pytest.mark.parametrize(("head", "body"), ENDLESS.values(), ids=ENDLESS)
def test_what_is_neither_header_nor_body_for_long_is_refused(
    line: socket.socket, echo: Echo, head: bytes, body: bytes
) -> None:
    line.sendall(head + body)
    if body:
        echo.wait_for_request()
    # Not one byte more: the server would close with data unread, and so lose its response.
    length = MAX_HEAD_BYTES - (0 if body else len(head))
    for start in range(0, length, 1000):
        line.sendall(b"x" * min(1000, length - start))
    assert refusal(line)["status"] == 431


def test_headers_of_almost_the_greatest_length_are_read(line: socket.socket) -> None:
    value = "x" * (MAX_HEAD_BYTES - 100)
    line.sendall(POST + f"x: {value}\r\n\r\n".encode())
    assert answers(line, 1)[0]["headers"]["x"] == value


@pytest.mark.parametrize("head", [b"content-length: 300000\r\n\r\n", b""], ids=["length", "chunks"])
def test_a_large_body_is_read(line: socket.socket, head: bytes) -> None:
    body = b"x" * 300_000
    if head:
        line.sendall(POST + head + body)
    else:
        line.sendall(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert answers(line, 1)[0]["body"].encode() == body


def test_spaces_around_a_value_do_not_belong_to_it(line: socket.socket) -> None:
    line.sendall(POST + b"x: \t a b \t \r\ncontent-length: 3 \r\n\r\nabc")
    found = answers(line, 1)[0]
    assert (found["headers"]["x"], found["headers"]["content-length"]) == ("a b", "3")


def test_trailers_are_not_taken_for_headers(line: socket.socket) -> None:
    line.sendall(CHUNKED + b"3\r\nabc\r\n0\r\nauthorization: Bearer 1\r\nhost: b\r\n\r\n")
    found = answers(line, 1)[0]
    assert found["body"] == "abc"
    assert found["headers"] == {"host": "a", "transfer-encoding": "chunked"}


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_offer_of_another_protocol_is_ignored(line: socket.socket, protocol: bytes) -> None:
    offer = b"connection: upgrade\r\nupgrade: " + protocol + b"\r\ncontent-length: 3\r\n\r\nabc"
    line.sendall(POST + offer + GET % 2)
    found = [(one["path"], one["body"]) for one in answers(line, 2)]
    assert found == [("/", "abc"), ("/2", "")]


@pytest.mark.parametrize(
    "head",
    [b"POST / HTTP/1.0\r\nconnection: upgrade\r\n", POST + b"connection: close, upgrade\r\n"],
    ids=["1.0", "close"],
)
def test_an_offer_of_another_protocol_is_ignored_in_a_last_request(
    line: socket.socket, head: bytes
) -> None:
    line.sendall(head + b"upgrade: h2c\r\ncontent-length: 3\r\n\r\nabc")
    assert answers(line, 1)[0]["body"] == "abc"
    assert read_to_end(line) == b""


def test_requests_sent_in_advance_are_answered_in_order(line: socket.socket) -> None:
    line.sendall(b"".join(GET % number for number in range(5)))
    assert [one["path"] for one in answers(line, 5)] == [f"/{number}" for number in range(5)]


def test_more_requests_in_advance_than_may_wait_are_not_read(
    line: socket.socket, echo: Echo
) -> None:
    line.sendall(b"".join(GET % number for number in range(100)))
    assert read_to_end(line).count(b"HTTP/1.1 200 OK\r\n") == 1 + MAX_WAITING
    assert echo.seen == [f"/{number}" for number in range(1 + MAX_WAITING)]


def test_what_follows_a_request_is_refused_only_after_its_response(line: socket.socket) -> None:
    line.sendall(GET % 1 + b"garbage\r\n\r\n")
    response = read_to_end(line)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in response
    assert response.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("next_request", [GET % 2, b"garbage\r\n\r\n"], ids=["valid", "invalid"])
def test_a_stream_ends_when_its_client_goes_even_if_more_was_sent(
    line: socket.socket, echo: Echo, next_request: bytes
) -> None:
    line.sendall(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
    with line.makefile("rb") as lines:
        assert b"".join(iter(lines.readline, b".\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        line.sendall(next_request)
        assert {lines.readline() for _ in range(30)} == {b".\r\n", b"1\r\n"}
    line.close()
    assert echo.stream_ended.wait(30)
    assert echo.seen == ["/stream"]
