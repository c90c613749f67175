"""A file that is being downloaded, and the byte ranges that are missing."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath

from zpruner.client.models.jobs import Artifact
from zpruner.client.transport.errors import CorruptedError, ServiceError
from zpruner.files.digests import file_sha256

SAVED_EVERY_BYTES = 4 << 20
"""How many new bytes of a file arrive before the list of missing ranges is written again.

If the process is killed, the bytes that arrived after the last write are downloaded again.
"""
_COMPRESSED = "zstd, identity;q=0"


@dataclass
class Piece:
    """A missing range of bytes; ``start`` moves forward as bytes arrive."""

    start: int
    stop: int


class PartialFile:
    """The file of one artifact in a folder; several threads may call the methods.

    While the file is incomplete, ``NAME.part`` holds the bytes received so far at their offsets,
    and ``NAME.missing`` lists the missing ranges. If that list does not exist, ``NAME.part`` holds
    the beginning of the file.

    Attributes:
        pieces: the ranges that remain to be downloaded.
        is_complete: whether the complete file existed already when this object was created.
    """

    def __init__(self, artifact: Artifact, path: Path) -> None:
        self.artifact, self.path = artifact, path
        self.pieces: list[Piece] = []
        self.is_complete = self._is_sequential = self._is_compressed = False
        self._part = path.with_name(f"{path.name}.part")
        self._missing_file = path.with_name(f"{path.name}.missing")
        self._lock, self._unsaved = threading.Lock(), 0

    @classmethod
    def find(cls, folder: Path, artifact: Artifact) -> "PartialFile":
        """Return an artifact's file in ``folder``; nothing is written yet.

        Raises:
            ServiceError: the artifact's name points outside the folder.
        """
        file = cls(artifact, safe_path(folder, artifact.name))
        file.is_complete = file.path.is_file() and file_sha256(file.path) == artifact.sha256
        return file

    @property
    def replaces_another(self) -> bool:
        """Whether a file of another content is there, which no earlier download was to replace."""
        is_begun = self._part.exists() or self._missing_file.exists()
        return self.path.is_file() and not self.is_complete and not is_begun

    def begin(self, piece_bytes: int | None, compressed: bool) -> None:
        """Divide what is missing of the file into pieces; what an earlier download got is kept.

        Args:
            piece_bytes: the maximum size of a piece. With None, each missing range is one piece,
                and the pieces must be downloaded one after another.
            compressed: whether a file of which nothing is there is one piece that is compressed.
        """
        self._is_sequential = piece_bytes is None
        if self.is_complete:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._part.touch()
        gaps = self._missing_ranges()
        self._is_compressed = compressed and gaps == [Piece(0, self.artifact.size_bytes)]
        step = None if self._is_compressed else piece_bytes
        self.pieces = [part for gap in gaps for part in _split(gap, step)]
        self.save()

    def headers(self, piece: Piece) -> dict[str, str]:
        """Return the headers that request a piece: a range, or the whole file if that is missing.

        A range is requested uncompressed, because the bytes on disk are those of the expanded file.
        For a whole file, ``identity;q=0`` makes the service compress it even if it is in a bucket.
        """
        size = self.artifact.size_bytes
        if (piece.start, piece.stop) == (0, size):
            return {"Accept-Encoding": _COMPRESSED if self._is_compressed else "identity"}
        until = "" if piece.stop == size else str(piece.stop - 1)
        return {
            "Accept-Encoding": "identity",
            "Range": f"bytes={piece.start}-{until}",
            "If-Range": f'"{self.artifact.sha256}"',
        }

    def restart(self, piece: Piece) -> None:
        """Make ``piece`` the whole file and the only piece; the file is downloaded from its start.

        Call this if the response to a request for the piece holds the whole file.

        Raises:
            ServiceError: the file's pieces may be downloaded in parallel.
        """
        if not self._is_sequential:
            raise ServiceError(
                f"{self.artifact.name}: the service, or a proxy in front of it, ignores the header "
                "Range: download with parallel=1 (--parallel 1)"
            )
        piece.start, piece.stop = 0, self.artifact.size_bytes
        self.pieces = [piece]

    def needs(self, piece: Piece) -> bool:
        """Whether a piece must still be downloaded."""
        return any(missing is piece for missing in self.pieces)

    def open_at(self, piece: Piece) -> FileIO:
        """Open ``NAME.part`` for writing at the start of a piece.

        Writes are unbuffered, so that bytes are in the file before `advance` records them.
        """
        part = FileIO(self._part, "r+")
        part.seek(piece.start)
        return part

    def advance(self, piece: Piece, count: int) -> None:
        """Record that ``count`` more bytes of a piece were written."""
        piece.start += count
        self._unsaved += count
        if self._unsaved >= SAVED_EVERY_BYTES:
            self.save()

    def save(self) -> None:
        """Write the list of missing ranges, from which a download resumes."""
        with self._lock:
            self._unsaved = 0
            gaps = [[piece.start, piece.stop] for piece in self.pieces if piece.start < piece.stop]
            new = self._missing_file.with_name(f"{self._missing_file.name}.new")
            new.write_text(json.dumps({"sha256": self.artifact.sha256, "missing": gaps}))
            new.replace(self._missing_file)

    def complete(self, piece: Piece) -> bool:
        """Remove a piece if it is complete; return whether it was the last missing piece."""
        with self._lock:
            if piece.start < piece.stop:
                return False
            self.pieces.remove(piece)
            return not self.pieces

    def finish(self) -> None:
        """Verify the file and give it its final name.

        Raises:
            CorruptedError: the file's sha256 is wrong; the file has been deleted.
        """
        received = file_sha256(self._part)
        self._missing_file.unlink(missing_ok=True)
        if received != self.artifact.sha256:
            self._part.unlink()
            raise CorruptedError(self.artifact.name, self.artifact.sha256, received)
        self._part.replace(self.path)

    def _missing_ranges(self) -> list[Piece]:
        """Return the ranges that an earlier download did not complete."""
        have, size = self._part.stat().st_size, self.artifact.size_bytes
        if have > 0 and self._missing_file.is_file():
            with suppress(ValueError, KeyError, TypeError):
                kept = json.loads(self._missing_file.read_text())
                gaps = [Piece(int(start), int(stop)) for start, stop in kept["missing"]]
                fits = all(0 <= gap.start < gap.stop <= size for gap in gaps)
                if fits and kept["sha256"] == self.artifact.sha256:
                    return gaps
            have = 0  # the list belongs to another version, or is damaged
        return [Piece(have, size)] if have < size else []


def _split(gap: Piece, piece_bytes: int | None) -> Iterator[Piece]:
    step = piece_bytes or max(1, gap.stop - gap.start)
    for start in range(gap.start, gap.stop, step):
        yield Piece(start, min(start + step, gap.stop))


def safe_path(folder: Path, name: str) -> Path:
    """Return the path of an artifact in ``folder``.

    Raises:
        ServiceError: the artifact's name points outside the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ServiceError(f"refusing the artifact name {name!r}")
    return folder.joinpath(*parts)
