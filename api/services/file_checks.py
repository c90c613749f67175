"""Files that are checked before they are served, on threads of their own."""

from asyncio import wrap_future
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from db.core.errors import ArtifactDamagedError, ArtifactNotFoundError
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.integrity import Integrity
from db.tables.jobs import Artifact

AT_ONCE = 2
"""How many files are read at once; more would only make each of them wait for the disk."""


class FileChecks:
    """Reads each file once before it is served; the event loop and other requests go on."""

    def __init__(self, sessions: Sessions, store: ArtifactStore) -> None:
        self._integrity = Integrity(sessions, store)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file-check")

    async def require(self, artifact: Artifact) -> Path:
        """Return the path of a whole file.

        Raises:
            ArtifactDamagedError: its bytes are not those that were stored.
        """
        known = await run_in_threadpool(self._integrity.known, artifact)
        return await wrap_future(self._read(artifact)) if known is None else known

    def require_in_thread(self, artifact: Artifact) -> Path:
        """Do the same from a thread that may wait."""
        return self._integrity.known(artifact) or self._read(artifact).result()

    def are_whole(self, artifacts: Sequence[Artifact]) -> bool:
        """Whether there are files, and all of them are whole; for a thread that may wait."""
        try:
            for artifact in artifacts:
                self.require_in_thread(artifact)
        except (ArtifactDamagedError, ArtifactNotFoundError):
            return False
        return bool(artifacts)

    def close(self) -> None:
        """Start no further check, and end those that are under way."""
        self._integrity.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, artifact: Artifact) -> Future[Path]:
        return self._pool.submit(self._integrity.read, artifact.id)
