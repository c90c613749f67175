"""Downloads files in pieces, in parallel; resumes earlier downloads and verifies the files."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal, get_args

import httpx

from zpruner.client.models.jobs import Artifact
from zpruner.client.partial_file import PartialFile, Piece
from zpruner.client.transport.errors import (
    BucketResponseError,
    ConnectionLostError,
    OtherFileError,
    ServiceError,
)
from zpruner.client.transport.transport import MAX_RETRIES, Body, Transport
from zpruner.files.errors import FilesError
from zpruner.files.zstd import Expansion

Format = Literal["plain", "zstd"]
PIECE_BYTES = 32 << 20
"""The maximum size of one piece in a parallel download, in bytes."""
PAUSE_S = 0.2
"""How long to wait before the rest of a piece is requested again; doubled for each retry."""


async def download(
    transport: Transport[Any],
    artifacts: Sequence[Artifact],
    folder: Path,
    parallel: int,
    format: Format,
    *,
    force: bool,
) -> list[Path]:
    """Download artifacts into ``folder``, resuming an earlier download.

    After a broken connection, what is missing is requested again. With the format ``zstd``, files
    of which nothing is there yet are requested whole and compressed; what is missing of the others
    is not compressed.

    Raises:
        ValueError: there is no such format.
        OtherFileError: without ``force``, a file of another content would be replaced.
        CorruptedError: the sha256 of a downloaded file is wrong.
        ServiceError: an artifact's name points outside the folder, the service refused the request,
            or the connection was lost again and again.
    """
    if format not in get_args(Format):
        raise ValueError(f"there is no format {format!r}: use one of {', '.join(get_args(Format))}")
    piece_bytes = PIECE_BYTES if parallel > 1 else None
    compressed = format == "zstd"
    files = [
        await transport.call_blocking(PartialFile.find, folder, artifact) for artifact in artifacts
    ]
    others = [file.path for file in files if file.replaces_another]
    if others and not force:
        raise OtherFileError(others)
    for file in files:
        await transport.call_blocking(file.begin, piece_bytes, compressed)
    cancelled = Event()
    calls: list[Callable[[], Coroutine[Any, Any, None]]] = []
    for file in files:
        calls += [partial(_fetch, transport, file, piece, cancelled) for piece in file.pieces]
        if not file.pieces and not file.is_complete:
            calls.append(partial(transport.call_blocking, file.finish))
    await transport.run_all(calls, max(1, parallel), cancelled)
    return [file.path for file in files]


async def _fetch(
    transport: Transport[Any], file: PartialFile, piece: Piece, cancelled: Event
) -> None:
    """Download a piece, and finish its file if no other piece is missing."""
    if cancelled.is_set() or not file.needs(piece):
        return
    try:
        await _receive(transport, file, piece, cancelled)
    except BaseException:
        cancelled.set()
        raise
    finally:
        file.save()
    if file.complete(piece):
        await transport.call_blocking(file.finish)


async def _receive(
    transport: Transport[Any], file: PartialFile, piece: Piece, cancelled: Event
) -> None:
    """Receive a piece; if it is interrupted, request the rest, of a bucket with a new URL."""
    path = f"/v1/artifacts/{file.artifact.id}/content"
    description = f"{file.artifact.name} (try again to resume)"
    retries = 0
    while True:
        start = piece.start
        try:
            async with transport.open(path, file.headers(piece), description) as body:
                await _write(body, file, piece, cancelled)
            return
        except (BucketResponseError, ConnectionLostError):
            retries = 0 if piece.start > start else retries + 1
            if cancelled.is_set() or retries > MAX_RETRIES:
                raise
        await transport.sleep_with_jitter(PAUSE_S * 2**retries)


async def _write(body: Body, file: PartialFile, piece: Piece, cancelled: Event) -> None:
    if body.response.status_code != httpx.codes.PARTIAL_CONTENT and piece.start > 0:
        file.restart(piece)
    with file.open_at(piece) as part:
        async for data in _content(body, file.artifact.name):
            needed = memoryview(data)[: piece.stop - piece.start]
            while needed:
                count = part.write(needed)
                file.advance(piece, count)
                needed = needed[count:]
            if cancelled.is_set() or piece.start == piece.stop:
                return
    raise ServiceError(f"the download of {file.artifact.name} was interrupted; try again to resume")


async def _content(body: Body, name: str) -> AsyncIterator[bytes]:
    """Yield what a response contains, in pieces of at most a megabyte.

    httpx would expand compressed bytes at once, whatever their content takes.
    """
    coding = body.response.headers.get("content-encoding", "identity")
    if coding not in {"zstd", "identity"}:
        raise ServiceError(f"{name} came compressed by {coding!r:.80}, which was not asked for")
    expansion = Expansion(name)
    async for data in body.pieces():
        try:
            for content in expansion.pieces(data) if coding == "zstd" else (data,):
                yield content
        except FilesError as error:
            raise ServiceError(f"{error}; try again to resume") from None
