"""Parsing of HTTP requests, with stricter rules than uvicorn's and with bounded memory.

uvicorn parses requests with llhttp, through httptools. uvicorn limits neither the size of headers
nor the number of pipelined requests. llhttp accepts some requests that another parser, such as a
proxy's, could read differently.
"""

import json
from http import HTTPStatus
from typing import Literal

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.core.problem_response import MEDIA_TYPE

MAX_HEAD_BYTES = 16_384
"""The maximum size of a request line and its headers together. The same limit applies to trailers,
and to the bytes between the parts of a body."""
MAX_WAITING = 16
"""How many requests a client may send while an earlier one is still unanswered."""
INVALID = "Invalid HTTP request received."


class HttpProtocol(HttpToolsProtocol):
    """Reads a connection's requests, which the application answers one after the other."""

    _answered: RequestResponseCycle | None = None  # uvicorn's `cycle` is the last one read
    _reads_body = False
    _ignores_rest = False
    _undelivered = 0  # bytes that have become neither headers nor body

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the application that the client of the request being answered has disconnected.

        uvicorn does so only for the request that was read last.
        """
        self.pipeline.clear()
        if self._answered is not None and self._is_answering():
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        for start in range(0, len(data), MAX_HEAD_BYTES):
            if not self._ignores_rest:
                self._read(data[start : start + MAX_HEAD_BYTES])

    def _read(self, data: bytes) -> None:
        self._undelivered += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            (read,) = offer.args
            head = self._head_without_offer()
            self.parser = httptools.HttpRequestParser(self)  # the old one may read no more requests
            self._read(head + data[read:])
        except httptools.HttpParserError as error:
            self.logger.warning(INVALID)
            self._refuse(HTTPStatus.BAD_REQUEST, f"The request is not valid HTTP: {_reason(error)}")
        else:
            if self._undelivered >= MAX_HEAD_BYTES:
                detail = f"The request's headers are longer than {MAX_HEAD_BYTES} bytes."
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _head_without_offer(self) -> bytes:
        """Return the request's head without the ``Upgrade`` header.

        llhttp does not read the body of a request that asks for an upgrade. So the caller parses
        the request again, from this head on.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"".join(head) + b"\r\n"

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._reads_body:  # else it is a trailer; uvicorn would add it to the headers
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        self._undelivered = 0
        self._check_head()
        if self.parser.should_upgrade():
            return  # feed_data now raises HttpParserUpgrade
        super().on_headers_complete()
        self._reads_body = True
        if not self._is_answering():
            self._answered = self.cycle

    def _check_head(self) -> None:
        """Refuse requests that llhttp accepts but RFC 9112 or this service does not allow."""
        version, names = self.parser.get_http_version(), [name for name, _ in self.headers]
        if version not in ("1.0", "1.1"):
            raise httptools.HttpParserError(f"HTTP/{version} is not supported")
        if self.parser.get_method() == b"CONNECT":
            raise httptools.HttpParserError("CONNECT is not supported")
        if names.count(b"host") != 1 and (version == "1.1" or b"host" in names):
            raise httptools.HttpParserError("Expected one Host header")
        encodings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if encodings and (version == "1.0" or encodings != [b"chunked"]):
            raise httptools.HttpParserError("The only Transfer-Encoding is chunked, in HTTP/1.1")
        if len(self.pipeline) >= MAX_WAITING:
            raise httptools.HttpParserError("Too many requests wait for earlier ones")

    def on_body(self, body: bytes) -> None:
        self._undelivered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._undelivered = 0
        if self._reads_body:
            self._reads_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._answered = self.pipeline[-1][0]
        super().on_response_complete()

    def _is_answering(self) -> bool:
        return self._answered is not None and not self._answered.response_complete

    def _awaited(self) -> Literal["headers", "body"] | None:
        """Return which part of a request the client has to send next, if any."""
        if self._reads_body:
            return "body"
        return None if self._is_answering() or self._ignores_rest else "headers"

    def _can_refuse_last(self) -> bool:
        """Whether an error can be the response to the last request that was read.

        It can if that request is the next to be answered and its body is still arriving.
        """
        is_next = self.cycle is self._answered and not self.cycle.response_started
        return is_next and self._reads_body

    def _refuse(
        self, status: HTTPStatus, detail: str, headers: str = "", retryable: bool = False
    ) -> None:
        """Send an error response, which the application does not see, and close the connection.

        No error is sent if an earlier request has not been answered yet, or if the response to this
        request has begun. Then the connection closes after the last response.
        """
        self._ignores_rest = True
        if self._is_answering() and not self._can_refuse_last():
            self.cycle.keep_alive = False
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        code = status.phrase.lower().replace(" ", "_")
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value}
        body = json.dumps(problem | {"code": code, "detail": detail, "retryable": retryable})
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n{body}".encode()
        )
        self.transport.close()


def _reason(error: httptools.HttpParserError) -> str:
    """Return a sentence that says why parsing failed.

    If a callback of the parser failed, the sentence depends on the callback's exception.
    """
    cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
    is_known = isinstance(cause, httptools.HttpParserError)
    return f"{cause}." if is_known else "Its target has no path."
