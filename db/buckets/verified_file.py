"""A local file that is read once, in pieces, and compared with its digest."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from db.buckets.errors import WrongDigestError


class VerifiedFile:
    """Yields the pieces of a file; raises an error at the end if its digest is wrong.

    Args:
        path: the file.
        digest: its expected SHA-256.
        piece_bytes: the size of the pieces.
        check: called before each piece; it may raise an error to stop the transfer.

    Attributes:
        error: what was raised. A library that iterates may raise an error of its own instead.
        size_bytes: the number of bytes read so far.
    """

    def __init__(
        self, path: Path, digest: str, piece_bytes: int, check: Callable[[], object]
    ) -> None:
        self._path, self._digest, self._piece_bytes, self._check = path, digest, piece_bytes, check
        self.error: BaseException | None = None
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces()
        except BaseException as error:
            self.error = error
            raise

    def _pieces(self) -> Iterator[bytes]:
        digest = sha256()
        with self._path.open("rb") as file:
            while piece := file.read(self._piece_bytes):
                self._check()
                digest.update(piece)
                self.size_bytes += len(piece)
                yield piece
        if digest.hexdigest() != self._digest:
            raise WrongDigestError(self._path.name, self._digest, digest.hexdigest())
