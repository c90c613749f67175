"""The body of an upload, which is first written to a file and then checked."""

import errno
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from os import fsync
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.core.problem_response import ProblemError
from api.routes.dependencies import ServiceDep
from api.services.service import Service
from db.problems.requests import DATASET_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
from db.problems.service import DISK_FULL

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk, a quota or a limit on a file's size makes of a write."""
KINDS = {
    "text/plain": "text/plain",
    "application/jsonl": "application/jsonl",
    "application/x-ndjson": "application/jsonl",
    "text/csv": "text/csv",
}
"""The accepted media types, and the type under which each is stored."""


@dataclass(frozen=True)
class Received:
    """A complete body on disk; its file is deleted after the request unless it was moved."""

    path: Path
    size_bytes: int
    sha256: str
    media_type: str


async def _received(request: Request, service: ServiceDep) -> AsyncIterator[Received]:
    media_type = _media_type(request)
    _refuse_length(request, service)
    staged = service.uploads.stage(media_type)
    try:
        size_bytes, digest = await _write(request, service, staged)
        yield Received(staged, size_bytes, digest, media_type)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise ProblemError(
            DISK_FULL.problem("There was no room for the dataset; nothing was kept.")
        ) from error
    finally:
        staged.unlink(missing_ok=True)


# It ends before the response is sent: the file is then stored, or deleted.
ReceivedDep = Annotated[Received, Depends(_received, scope="function")]


async def _write(request: Request, service: Service, path: Path) -> tuple[int, str]:
    """Write the body to a file; return its length and its SHA-256."""
    size_bytes, digest = 0, sha256()

    def write(file: BinaryIO, chunk: bytes) -> None:
        file.write(chunk)
        digest.update(chunk)

    with path.open("xb") as file:
        try:
            async for chunk in request.stream():
                size_bytes += len(chunk)
                if size_bytes > service.max_dataset_bytes:
                    raise _too_large(service)
                await run_in_threadpool(write, file, chunk)
        except ClientDisconnect:
            raise HTTPException(400, "The body ended early.") from None
        await run_in_threadpool(_sync, file)
    return size_bytes, digest.hexdigest()


def _sync(file: BinaryIO) -> None:
    file.flush()
    fsync(file.fileno())


def _media_type(request: Request) -> str:
    """Return the media type under which the body is stored."""
    header = request.headers.get("content-type", "")
    kind, _, parameters = header.partition(";")
    charset = re.search(r'charset\s*=\s*"?([^\s";]*)', parameters.lower())
    is_utf8 = charset is None or charset[1] in {"utf-8", "utf8"}
    if (stored_as := KINDS.get(kind.strip().lower())) is None or not is_utf8:
        raise _unsupported(f"The Content-Type is {ascii(header)[:200]}.")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise _unsupported(f"The Content-Encoding is {ascii(encoding)[:200]}.")
    return stored_as


def _refuse_length(request: Request, service: Service) -> None:
    """Refuse a body before it is read if its Content-Length is too large."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > service.max_dataset_bytes:
        raise _too_large(service)


def _too_large(service: Service) -> ProblemError:
    detail = f"A dataset may have {service.max_dataset_bytes} bytes."
    return ProblemError(DATASET_TOO_LARGE.problem(detail))


def _unsupported(detail: str) -> ProblemError:
    return ProblemError(UNSUPPORTED_MEDIA_TYPE.problem(detail))
