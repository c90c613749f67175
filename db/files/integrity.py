"""Whether a finished file still has the bytes that its row was written for."""

import errno
import logging
import os
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import BinaryIO

from db.core.errors import ArtifactDamagedError, ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore, identity_of
from db.files.artifacts import ArtifactRepository
from db.tables.jobs import Artifact

log = logging.getLogger(__name__)
PIECE_BYTES = 1 << 20
NO_FILE = "its file is missing"
TRANSIENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT}
"""What says nothing about a file."""


class FileCheck:
    """Compares one file with the size and the digest of its row, piece by piece.

    Attributes:
        artifact: the row.
        identity: of the file that is read (see `identity_of`); None where there is none.
        damage: what is wrong, once the check is done; None for a whole file.
        done: whether the file was read as far as necessary.
    """

    def __init__(
        self, store: ArtifactStore, artifact: Artifact, *, from_disk: bool = False
    ) -> None:
        self.artifact, self.done = artifact, False
        self.damage: str | None = None
        self.identity: str | None = None
        self._digest, self._file = sha256(), self._opened(store)
        if self._file is not None and from_disk and hasattr(os, "posix_fadvise"):
            # Damage on a disk does not show in the pages that the system still has of the file.
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def advance(self, limit_bytes: int) -> int:
        """Read about so many bytes more, and return how many were read."""
        read = 0
        while self._file is not None and not self.done and read < limit_bytes:
            try:
                piece = self._file.read(PIECE_BYTES)
            except OSError as error:
                self._unreadable(error)
                break
            self._digest.update(piece)
            read += len(piece)
            if not piece:
                found = self._digest.hexdigest()
                whole = found == self.artifact.sha256
                self._end(None if whole else f"its sha256 is {found} now")
        return read

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self, store: ArtifactStore) -> BinaryIO | None:
        try:
            file = store.open(self.artifact).open("rb", buffering=0)
        except (ArtifactNotFoundError, FileNotFoundError):
            self._end(NO_FILE)
            return None
        except OSError as error:
            self._unreadable(error)
            return None
        status = os.fstat(file.fileno())
        self.identity = identity_of(status)
        if status.st_size != self.artifact.size_bytes:
            self._end(f"its file has {status.st_size} bytes now")
        return file

    def _unreadable(self, error: OSError) -> None:
        if error.errno in TRANSIENT:
            raise error
        self._end(f"its file cannot be read ({error.strerror})")

    def _end(self, damage: str | None) -> None:
        self.damage, self.done = damage, True


def record(sessions: Sessions, check: FileCheck) -> None:
    """Write down what a finished check found."""
    artifact, damage = check.artifact, check.damage
    with sessions.begin() as session:
        changed = ArtifactRepository(session).record_check(artifact.id, check.identity, damage)
    if changed and damage:
        log.error(
            "artifact %s (%s of job %s) is damaged: %s",
            artifact.id,
            artifact.name,
            artifact.job_id,
            damage,
        )


class Integrity:
    """Finds out whether artifacts are whole; each file is read once, then known by its identity."""

    def __init__(self, sessions: Sessions, store: ArtifactStore) -> None:
        self._sessions, self._store = sessions, store
        self._closing = Event()

    def close(self) -> None:
        """Have whoever reads a file give up."""
        self._closing.set()

    def known(self, artifact: Artifact) -> Path | None:
        """Return the path of a file that was found whole and has not changed since; None: unknown.

        Raises:
            ArtifactDamagedError: it was found damaged, and has not changed since.
        """
        try:
            path = self._store.open(artifact)
            identity = identity_of(path.stat())
        except (ArtifactNotFoundError, FileNotFoundError):
            identity = None
        if identity != artifact.checked_as or (identity is None and artifact.damage is None):
            return None
        if artifact.damage is not None:
            raise ArtifactDamagedError(artifact.id, artifact.name, artifact.damage)
        return path

    def read(self, artifact_id: str) -> Path:
        """Read the file, write down what was found, and return its path.

        Raises:
            ArtifactDamagedError: its bytes are not those that were stored.
            ArtifactNotFoundError: its row is gone.
        """
        with self._sessions() as session:
            artifact = ArtifactRepository(session).get(artifact_id)
        if (path := self.known(artifact)) is not None:
            return path  # another request has read it meanwhile
        check = FileCheck(self._store, artifact)
        try:
            while not check.done:
                if self._closing.is_set():
                    raise RuntimeError(f"artifact {artifact_id} is not read to its end: closing")
                check.advance(PIECE_BYTES)
        finally:
            check.close()
        record(self._sessions, check)
        if check.damage is not None:
            raise ArtifactDamagedError(artifact.id, artifact.name, check.damage)
        return self._store.open(artifact)
