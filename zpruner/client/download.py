"""Downloads files in pieces, in parallel; resumes earlier downloads and verifies the files.

Or downloads the compact archive of all of them, and expands it.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any, Literal

import httpx

from zpruner.client.models.jobs import Artifact
from zpruner.client.partial_file import PartialFile, Piece, safe_path
from zpruner.client.transport.errors import BucketResponseError, ServiceError
from zpruner.client.transport.transport import MAX_RETRIES, Body, Transport

Format = Literal["plain", "compact"]
PIECE_BYTES = 32 << 20
"""The maximum size of one piece in a parallel download, in bytes."""
PAUSE_S = 0.2
"""How long to wait before the rest of a piece is requested again."""


async def download(
    transport: Transport[Any], artifacts: Sequence[Artifact], folder: Path, parallel: int
) -> list[Path]:
    """Download artifacts into ``folder``, resuming an earlier download.

    A download from a bucket goes on after a broken connection.

    Raises:
        CorruptedError: the sha256 of a downloaded file is wrong.
        ServiceError: an artifact's name points outside the folder, the service refused the request,
            or the connection was lost.
    """
    piece_bytes = PIECE_BYTES if parallel > 1 else None
    files = [
        await transport.call_blocking(PartialFile.open, folder, one, piece_bytes)
        for one in artifacts
    ]
    cancelled = Event()
    calls: list[Callable[[], Coroutine[Any, Any, None]]] = []
    for file in files:
        calls += [partial(_fetch, transport, file, piece, cancelled) for piece in file.pieces]
        if not file.pieces and not file.is_complete:
            calls.append(partial(transport.call_blocking, file.finish))
    await transport.run_all(calls, max(1, parallel), cancelled)
    return [file.path for file in files]


async def download_compact(
    transport: Transport[Any], job_id: str, artifacts: Sequence[Artifact], folder: Path
) -> list[Path]:
    """Download the compact archive of a job into ``folder``, and expand it.

    The archive is read whole: an interrupted download starts again.

    Raises:
        ServiceError: numpy is not installed, a file is damaged or its name points outside the
            folder, the service refused the request, or the connection was lost.
    """
    if find_spec("numpy") is None:
        raise ServiceError("the format compact needs numpy: pip install 'zpruner[files]'")
    wanted = {one.name: (safe_path(folder, one.name), one.sha256) for one in artifacts}
    part = folder / f"{job_id}.tar.part"
    await transport.call_blocking(folder.mkdir, parents=True, exist_ok=True)
    try:
        path, description = f"/v1/jobs/{job_id}/archive?format=compact", f"the files of {job_id}"
        async with transport.open(path, {}, f"{description} (try again)") as body:
            with part.open("wb") as file:
                async for data in body.pieces():
                    file.write(data)
        await transport.call_blocking(_extract, part, wanted)
    finally:
        part.unlink(missing_ok=True)
    return [path for path, _ in wanted.values()]


def _extract(part: Path, wanted: dict[str, tuple[Path, str]]) -> None:
    from zpruner.files import archive, errors  # noqa: PLC0415 - a client may lack numpy

    try:
        archive.extract(part, wanted)
    except errors.FilesError as error:
        raise ServiceError(str(error)) from error


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
    """Receive a piece; if a bucket interrupts it, request the rest, with a new URL of the file."""
    path = f"/v1/artifacts/{file.artifact.id}/content"
    description = f"{file.artifact.name} (try again to resume)"
    retries = 0
    while True:
        start = piece.start
        try:
            async with transport.open(path, file.range_headers(piece), description) as body:
                await _write(body, file, piece, cancelled)
            return
        except BucketResponseError:
            retries = 0 if piece.start > start else retries + 1
            if cancelled.is_set() or retries > MAX_RETRIES:
                raise
        await transport.sleep_with_jitter(PAUSE_S)


async def _write(body: Body, file: PartialFile, piece: Piece, cancelled: Event) -> None:
    if body.response.status_code != httpx.codes.PARTIAL_CONTENT and piece.start > 0:
        file.restart(piece)
    with file.open_at(piece) as part:
        async for data in body.pieces():
            needed = data[: piece.stop - piece.start]
            part.write(needed)
            file.advance(piece, len(needed))
            if cancelled.is_set() or piece.start == piece.stop:
                return
    raise ServiceError(f"the download of {file.artifact.name} was interrupted; try again to resume")
