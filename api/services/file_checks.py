"""Integrity checks of files before they are served, on separate threads."""

from asyncio import wrap_future
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from starlette.concurrency import run_in_threadpool

from db.core.errors import ArtifactDamagedError, ArtifactDeletedError, ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.integrity import Integrity
from db.files.stored_file import StoredFile
from db.tables.artifacts import Artifact

AT_ONCE = 2
"""How many files are read at once; with more, each would only wait longer for the disk."""


class FileChecks:
    """Reads and checks each file once before it is served, without blocking the event loop."""

    def __init__(self, sessions: Sessions, store: ArtifactStore) -> None:
        self._integrity = Integrity(sessions, store)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file-check")

    async def require(self, artifact: Artifact) -> StoredFile:
        """Check an artifact's file, and return it.

        Raises:
            ArtifactDamagedError: the file is missing, or its bytes are not those that were stored.
        """
        known = await run_in_threadpool(self._integrity.known, artifact)
        return await wrap_future(self._read(artifact)) if known is None else known

    def require_in_thread(self, artifact: Artifact) -> StoredFile:
        """Do the same as `require`, but block the calling thread until the check is done."""
        return self._integrity.known(artifact) or self._read(artifact).result()

    def are_undamaged(self, artifacts: Sequence[Artifact]) -> bool:
        """Whether there is at least one artifact, and none is damaged or deleted.

        Blocks the calling thread until the checks are done.
        """
        try:
            for artifact in artifacts:
                self.require_in_thread(artifact)
        except (ArtifactDamagedError, ArtifactDeletedError, ArtifactNotFoundError):
            return False
        return bool(artifacts)

    def close(self) -> None:
        """Cancel the waiting checks, and interrupt the running ones."""
        self._integrity.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, artifact: Artifact) -> Future[StoredFile]:
        return self._pool.submit(self._integrity.read, artifact.id)
