"""Downloads in several pieces at once, which resume and are verified."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from zpruner.client.incoming_file import Incoming, Piece
from zpruner.client.models.jobs import Artifact
from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.transport import Body, Transport

PIECE_BYTES = 32 << 20
"""How long a piece is at most where several are downloaded at once."""


async def download(
    transport: Transport[Any], artifacts: Sequence[Artifact], folder: Path, parallel: int
) -> list[Path]:
    """Put artifacts below ``folder``; what an earlier call left is continued.

    Raises:
        CorruptedError: a file's bytes do not have its sha256.
        ServiceError: a name leads out of the folder, or the service refused or broke off.
    """
    longest = PIECE_BYTES if parallel > 1 else None
    files = [await transport.aside(Incoming.at, folder, one, longest) for one in artifacts]
    halt = Event()
    acts: list[Callable[[], Coroutine[Any, Any, None]]] = []
    for file in files:
        acts += [partial(_fetch, transport, file, piece, halt) for piece in file.pieces]
        if not file.pieces and not file.is_there:
            acts.append(partial(transport.aside, file.finish))
    await transport.each(acts, max(1, parallel), halt)
    return [file.path for file in files]


async def _fetch(transport: Transport[Any], file: Incoming, piece: Piece, halt: Event) -> None:
    """Download a piece; with the last one of its file, finish that."""
    if halt.is_set() or not file.needs(piece):
        return
    try:
        path = f"/v1/artifacts/{file.artifact.id}/content"
        what = f"{file.artifact.name} (try again to resume)"
        async with transport.open(path, file.headers(piece), what) as body:
            await _write(body, file, piece, halt)
    except BaseException:
        halt.set()
        raise
    finally:
        file.save()
    if file.is_last(piece):
        await transport.aside(file.finish)


async def _write(body: Body, file: Incoming, piece: Piece, halt: Event) -> None:
    if body.response.status_code != httpx.codes.PARTIAL_CONTENT and piece.start > 0:
        file.start_over(piece)
    with file.opened(piece) as part:
        async for data in body.pieces():
            kept = data[: piece.stop - piece.start]
            part.write(kept)
            file.advance(piece, len(kept))
            if halt.is_set() or piece.start == piece.stop:
                return
    raise ServiceError(f"{file.artifact.name} broke off; try again to resume")
