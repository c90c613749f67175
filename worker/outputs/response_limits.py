"""Limits on the bodies of responses: a target, or a proxy before it, may send anything."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from worker.outputs.failures import TargetError

MAX_BODY_BYTES = 4 << 20
"""A target's longest response lists the files of a repository, of about 60 bytes each."""
UNCOMPRESSED = {"Accept-Encoding": "identity"}
"""The header of requests for bodies that are not compressed: a small one may become any size."""


def limit_body(response: Any) -> None:
    """Let a response be read up to the limit; a hook of clients of httpx and httpx2.

    Raises:
        TargetError: the body is compressed. Reading it raises this, too, at the limit.
    """
    status, coding = response.status_code, response.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise TargetError(status, f"a body compressed by {coding:.40}, which was not asked for")
    library = import_module(type(response).__module__.partition(".")[0])
    stream = response.stream

    def pieces(_: Any) -> Iterator[bytes]:
        size = 0
        for piece in stream:
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise TargetError(status, f"a body of more than {MAX_BODY_BYTES >> 20} MiB")
            yield piece

    methods = {"__iter__": pieces, "close": lambda _: stream.close()}
    response.stream = type("LimitedStream", (library.SyncByteStream,), methods)()
