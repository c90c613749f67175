"""Integrity checks: whether an artifact's file still has the size and digest stored in its row."""

import errno
import logging
from collections.abc import Generator, Iterator
from hashlib import sha256
from threading import Event

from db.buckets.errors import BucketError
from db.core.errors import ArtifactDamagedError, ArtifactDeletedError, ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.stored_file import FileReplacedError, StoredFile
from db.tables.artifacts import Artifact

logger = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 20
NO_FILE = "its file is missing"
TRANSIENT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT}
"""System errors that do not mean that the file is damaged."""


class FileCheck:
    """Compares a file with the size and digest stored in its row, reading one chunk at a time.

    Attributes:
        artifact: the artifact's row.
        identity: the identity of the file that is read; None if the file is missing or cannot be
            opened.
        damage: a description of the damage, once the check is done; None for an intact file.
        done: whether the check is complete.
    """

    def __init__(
        self, store: ArtifactStore, artifact: Artifact, *, from_disk: bool = False
    ) -> None:
        self.artifact, self.done = artifact, False
        self.damage: str | None = None
        self.identity: str | None = None
        self._digest, self._chunks = sha256(), self._opened(store, from_disk)

    def advance(self, limit_bytes: int) -> int:
        """Read up to about ``limit_bytes`` more, and return the number of bytes read."""
        read = 0
        while not self.done and read < limit_bytes:
            try:
                chunk = next(self._chunks, b"")
            except (OSError, EOFError) as error:
                self._unreadable(error)
                break
            self._digest.update(chunk)
            read += len(chunk)
            if not chunk:
                digest = self._digest.hexdigest()
                intact = digest == self.artifact.sha256
                self._end(None if intact else f"its sha256 is {digest} now")
        return read

    def close(self) -> None:
        """Close the file."""
        if isinstance(self._chunks, Generator):
            self._chunks.close()

    def _opened(self, store: ArtifactStore, from_disk: bool) -> Iterator[bytes]:
        try:
            file = store.open(self.artifact)
        except (ArtifactNotFoundError, FileNotFoundError):
            self._end(NO_FILE)
            return iter(())
        except OSError as error:
            self._unreadable(error)
            return iter(())
        self.identity = file.identity
        if file.size_bytes != self.artifact.size_bytes:
            self._end(f"its file has {file.size_bytes} bytes now")
        return file.chunks(range(file.size_bytes), from_disk=from_disk)

    def _unreadable(self, error: OSError | EOFError) -> None:
        if isinstance(error, FileNotFoundError):
            self._end(NO_FILE)
        elif isinstance(error, EOFError):
            self._end("its file ends early")
        elif isinstance(error, BucketError | FileReplacedError) or error.errno in TRANSIENT:
            raise error
        else:
            self._end(f"its file cannot be read ({error.strerror})")

    def _end(self, damage: str | None) -> None:
        self.damage, self.done = damage, True


def store_result(sessions: Sessions, check: FileCheck) -> None:
    """Store the result of a finished check."""
    artifact, damage = check.artifact, check.damage
    with sessions.begin() as session:
        changed = ArtifactRepository(session).record_check(artifact.id, check.identity, damage)
    if changed and damage:
        logger.error(
            "artifact %s (%s of job %s) is damaged: %s",
            artifact.id,
            artifact.name,
            artifact.job_id,
            damage,
        )


class Integrity:
    """Verifies artifacts: a file is read once, and again only after its identity has changed."""

    def __init__(self, sessions: Sessions, store: ArtifactStore) -> None:
        self._sessions, self._store = sessions, store
        self._closing = Event()

    def close(self) -> None:
        """Interrupt all reads in progress."""
        self._closing.set()

    def known(self, artifact: Artifact) -> StoredFile | None:
        """Return the file if it was intact at its last check and is unchanged since.

        Return None if the file has to be read again.

        Raises:
            ArtifactDamagedError: the file was damaged at its last check and is unchanged since.
            ArtifactDeletedError: a retention rule deleted the file.
        """
        require_stored(artifact)
        try:
            file = self._store.open(artifact)
        except (ArtifactNotFoundError, FileNotFoundError):
            file = None
        identity = None if file is None else file.identity
        if identity != artifact.checked_as or (identity is None and artifact.damage is None):
            return None
        if artifact.damage is not None:
            raise ArtifactDamagedError(artifact.id, artifact.name, artifact.damage)
        return file

    def read(self, artifact_id: str) -> StoredFile:
        """Read and verify an artifact's file, store the result, and return the file.

        A file that another request has verified in the meantime is not read again.

        Raises:
            ArtifactDamagedError: the file is missing, cannot be read, or has changed.
            ArtifactDeletedError: a retention rule deleted the file.
            ArtifactNotFoundError: the artifact's row was deleted.
            OSError: an error in `TRANSIENT` prevented the check.
            RuntimeError: `close` interrupted the check.
        """
        with self._sessions() as session:
            artifact = ArtifactRepository(session).get(artifact_id)
        if (file := self.known(artifact)) is not None:
            return file  # another request has verified it meanwhile
        check = FileCheck(self._store, artifact)
        try:
            while not check.done:
                if self._closing.is_set():
                    raise RuntimeError(
                        f"the check of artifact {artifact_id} was interrupted by the shutdown"
                    )
                check.advance(CHUNK_BYTES)
        finally:
            check.close()
        store_result(self._sessions, check)
        if check.damage is not None:
            raise ArtifactDamagedError(artifact.id, artifact.name, check.damage)
        return self._store.open(artifact)


def require_stored(artifact: Artifact) -> None:
    """Raise an error if a retention rule deleted the artifact's file.

    Raises:
        ArtifactDeletedError: a rule did.
    """
    if artifact.deleted_at is not None:
        rule = artifact.deleted_by or ""
        raise ArtifactDeletedError(artifact.id, artifact.name, rule, artifact.deleted_at)


def require_undamaged(artifact: Artifact) -> None:
    """Raise an error if the row says that the file was deleted, or damaged at its last check.

    Raises:
        ArtifactDeletedError, ArtifactDamagedError: it was.
    """
    require_stored(artifact)
    if artifact.damage is not None:
        raise ArtifactDamagedError(artifact.id, artifact.name, artifact.damage)
