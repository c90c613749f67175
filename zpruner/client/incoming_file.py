"""A file on its way: what of it is there, and what is missing."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath

from zpruner.client.models.jobs import Artifact
from zpruner.client.transport.errors import CorruptedError, ServiceError

SAVED_EVERY_BYTES = 4 << 20
"""So much is downloaded again at most, for each piece, after the process was killed."""


@dataclass
class Piece:
    """A range of bytes that is missing; it starts later with every byte that comes."""

    start: int
    stop: int


class Incoming:
    """One artifact below a folder; the methods may be called by several threads.

    Until it is finished, ``NAME.part`` has its bytes, each in its place, and ``NAME.missing`` says
    which are not there. Without the latter the part is the file's beginning.

    Attributes:
        pieces: what is to be downloaded.
        is_there: whether the whole file is there already.
    """

    def __init__(self, artifact: Artifact, path: Path) -> None:
        self.artifact, self.path = artifact, path
        self.pieces: list[Piece] = []
        self.is_there = self._in_turn = False
        self._part = path.with_name(f"{path.name}.part")
        self._ledger = path.with_name(f"{path.name}.missing")
        self._lock, self._unsaved = threading.Lock(), 0

    @classmethod
    def at(cls, folder: Path, artifact: Artifact, longest: int | None) -> "Incoming":
        """Look what of an artifact is below ``folder``; split the rest into pieces.

        Args:
            folder, artifact: where to put what.
            longest: of a piece; None: what is missing is asked for one after the other.

        Raises:
            ServiceError: its name leads out of the folder.
        """
        file = cls(artifact, _confined(folder, artifact.name))
        file._in_turn = longest is None
        file.is_there = file.path.is_file() and _sha256(file.path) == artifact.sha256
        if not file.is_there:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file._part.touch()
            file.pieces = [part for gap in file._gaps() for part in _split(gap, longest)]
            file.save()
        return file

    def headers(self, piece: Piece) -> dict[str, str]:
        """Return what asks for a piece, of this very file."""
        size = self.artifact.size_bytes
        if (piece.start, piece.stop) == (0, size):
            return {}
        until = "" if piece.stop == size else str(piece.stop - 1)
        return {"Range": f"bytes={piece.start}-{until}", "If-Range": f'"{self.artifact.sha256}"'}

    def start_over(self, piece: Piece) -> None:
        """Take the whole file as this piece, where the service sends nothing less.

        Raises:
            ServiceError: other pieces of it are asked for at the same time.
        """
        if not self._in_turn:
            raise ServiceError(
                f"{self.artifact.name}: the service, or a proxy before it, ignores Range: "
                "download with parallel=1 (--parallel 1)"
            )
        piece.start, piece.stop = 0, self.artifact.size_bytes
        self.pieces = [piece]

    def needs(self, piece: Piece) -> bool:
        """Return whether a piece is still to be downloaded."""
        return any(one is piece for one in self.pieces)

    def opened(self, piece: Piece) -> FileIO:
        """Open the file where a piece begins; unbuffered, so that what is noted is written."""
        part = FileIO(self._part, "r+")
        part.seek(piece.start)
        return part

    def advance(self, piece: Piece, count: int) -> None:
        """Note that so many more bytes of a piece are written."""
        piece.start += count
        self._unsaved += count
        if self._unsaved >= SAVED_EVERY_BYTES:
            self.save()

    def save(self) -> None:
        """Keep what is missing, for whoever resumes."""
        with self._lock:
            self._unsaved = 0
            gaps = [[one.start, one.stop] for one in self.pieces if one.start < one.stop]
            new = self._ledger.with_name(f"{self._ledger.name}.new")
            new.write_text(json.dumps({"sha256": self.artifact.sha256, "missing": gaps}))
            new.replace(self._ledger)

    def is_last(self, piece: Piece) -> bool:
        """Take a piece that is whole away; whether nothing is missing any more."""
        with self._lock:
            if piece.start < piece.stop:
                return False
            self.pieces.remove(piece)
            return not self.pieces

    def finish(self) -> None:
        """Verify the file and give it its name.

        Raises:
            CorruptedError: its bytes do not have its sha256.
        """
        received = _sha256(self._part)
        self._ledger.unlink(missing_ok=True)
        if received != self.artifact.sha256:
            self._part.unlink()
            raise CorruptedError(self.artifact.name, self.artifact.sha256, received)
        self._part.replace(self.path)

    def _gaps(self) -> list[Piece]:
        """Return what an earlier download has left missing."""
        have, size = self._part.stat().st_size, self.artifact.size_bytes
        if have > 0 and self._ledger.is_file():
            with suppress(ValueError, KeyError, TypeError):
                kept = json.loads(self._ledger.read_text())
                gaps = [Piece(int(start), int(stop)) for start, stop in kept["missing"]]
                fits = all(0 <= one.start < one.stop <= size for one in gaps)
                if fits and kept["sha256"] == self.artifact.sha256:
                    return gaps
            have = 0  # of another file, or damaged
        return [Piece(have, size)] if have < size else []


def _split(gap: Piece, longest: int | None) -> Iterator[Piece]:
    step = longest or max(1, gap.stop - gap.start)
    for start in range(gap.start, gap.stop, step):
        yield Piece(start, min(start + step, gap.stop))


def _confined(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ServiceError(f"refusing the artifact name {name!r}")
    return folder.joinpath(*parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
