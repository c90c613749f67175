"""Middleware that compresses JSON by zstd or gzip, for clients that accept it."""

import asyncio
import zlib

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core.content_coding import JsonCoding, json_coding
from api.core.problem_response import MEDIA_TYPE
from zpruner.files.zstd import zstd

JSON = ("application/json", MEDIA_TYPE)
MIN_BYTES = 1000
"""A shorter body fits into one packet as it is."""
ON_A_THREAD_BYTES = 1 << 16
"""A longer body would keep the event loop busy for a millisecond."""
ZSTD_LEVEL, GZIP_LEVEL = 3, 6


class CompressionMiddleware:
    """Compresses bodies of JSON that are sent in one piece; files and event streams stay as is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        if scope["type"] == "http":
            send = _Response(send, json_coding(Request(scope))).send
        await self._app(scope, receive, send)


class _Response:
    """Compresses the body, and leaves the ETag.

    An entity tag names the version of a job, for ``If-Match`` as well, in whichever coding it was
    sent. ``Vary`` keeps the codings apart in caches, and no JSON is sent in ranges.
    """

    def __init__(self, send: Send, coding: JsonCoding | None) -> None:
        self._send, self._coding = send, coding
        self._start: Message | None = None
        """The start of a response that may be compressed, until its body is known."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            is_json = headers.get("content-type", "").partition(";")[0] in JSON
            is_file = "content-encoding" in headers or "accept-ranges" in headers
            if (is_json and not is_file) or message["status"] == 304:
                headers.add_vary_header("accept-encoding")
            if is_json and not is_file and self._coding is not None:
                self._start = message
                return
        elif self._start is not None and self._coding is not None:
            start, self._start = self._start, None
            body = message.get("body", b"")
            if not message.get("more_body", False) and len(body) >= MIN_BYTES:
                message["body"] = await _compressed(body, self._coding)
                headers = MutableHeaders(raw=start["headers"])
                headers["content-encoding"] = self._coding
                headers["content-length"] = str(len(message["body"]))
            await self._send(start)
        await self._send(message)


async def _compressed(body: bytes, coding: JsonCoding) -> bytes:
    if len(body) < ON_A_THREAD_BYTES:
        return _compress(body, coding)
    return await asyncio.to_thread(_compress, body, coding)


def _compress(body: bytes, coding: JsonCoding) -> bytes:
    if coding == "zstd":
        return zstd.compress(body, ZSTD_LEVEL)
    return zlib.compress(body, GZIP_LEVEL, wbits=16 + zlib.MAX_WBITS)
