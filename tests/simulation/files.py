"""The store of a simulation: real files in a memory-backed folder, between other actors' steps."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from db.buckets.bucket import Check, proceed
from db.files.file_store import FileStore
from db.files.sealed_folder import KnownDigest, NewArtifact
from tests.simulation.kernel import Kernel


class SimulatedStore(FileStore):
    """The store on a disk; another actor may act before each of its changes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        self.kernel: Kernel | None = None

    def reset(self, kernel: Kernel) -> None:
        """Delete all files."""
        self.kernel = kernel
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()

    def stage(self, job_id: str, attempt: int, check: Check = proceed) -> Path:
        self._pause("stage")
        return super().stage(job_id, attempt, check)

    def publish(
        self,
        staged: Path,
        job_id: str,
        digests: Mapping[str, KnownDigest] | None = None,
        check: Check = proceed,
    ) -> list[NewArtifact]:
        self._pause("publish files")
        return super().publish(staged, job_id, digests, check)

    def retract(self, job_id: str, attempt: int) -> None:
        self._pause("retract files")
        super().retract(job_id, attempt)

    def remove_all_but(self, kept: Collection[str], job_id: str, attempt: int) -> None:
        self._pause("remove files")
        super().remove_all_but(kept, job_id, attempt)

    def keep_only(self, job_id: str, attempt: int) -> None:
        self._pause("keep files")
        super().keep_only(job_id, attempt)

    def published(self) -> set[tuple[str, int]]:
        """Return the jobs and attempts with published files."""
        jobs = self.published_jobs()
        return {(job, int(path.name)) for job in jobs for path in (self.root / job).iterdir()}

    def _pause(self, point: str) -> None:
        if self.kernel is not None:
            self.kernel.pause(point)
