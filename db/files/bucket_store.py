"""The artifact store in a bucket: attempts are staged on the worker's disk and then uploaded."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from db.buckets.bucket import Bucket, Check, proceed
from db.core.errors import ArtifactNotFoundError
from db.files.artifact_store import ArtifactStore
from db.files.sealed_folder import KnownDigest, NewArtifact, describe
from db.files.staging import Staging
from db.files.staging_copies import StagingCopies
from db.files.stored_file import BucketFile
from db.tables.artifacts import Artifact

FOLDER = "artifacts"


class BucketStore(ArtifactStore):
    """The files of each attempt, as objects ``artifacts/<job_id>/<attempt>/<name>``.

    Args:
        staging: the staging folders on this machine.
    """

    is_remote = True

    def __init__(self, bucket: Bucket, staging: Staging) -> None:
        self._bucket, self._staging = bucket, staging
        self._copies = StagingCopies(bucket)

    def check(self) -> None:
        self._bucket.check()

    def stage(self, job_id: str, attempt: int, check: Check = proceed) -> Path:
        """Create the staging folder from the newest attempt that left files here or in the bucket.

        The files here are at least as new as the same attempt's copy in the bucket.
        """
        own = self._staging.newest_resumable(job_id, attempt)
        for earlier in self._copies.attempts(job_id):
            if own is not None and earlier <= own:
                break
            if earlier < attempt:
                staged = self._staging.begin(job_id, attempt, None)
                if self._copies.restore(job_id, earlier, staged, check):
                    return staged
        return self._staging.begin(job_id, attempt, own)

    def save(self, staged: Path, job_id: str, check: Check = proceed) -> None:
        self._copies.save(staged, job_id, self._staging.require(staged, job_id), check)

    def publish(
        self,
        staged: Path,
        job_id: str,
        digests: Mapping[str, KnownDigest] | None = None,
        check: Check = proceed,
    ) -> list[NewArtifact]:
        """Upload all files. The working files stay until `keep_only`, so this can be repeated."""
        attempt = self._staging.require(staged, job_id)
        return [
            replace(
                artifact,
                identity=self._uploaded(
                    staged / artifact.name, _published(job_id, attempt), artifact, check
                ),
            )
            for artifact in describe(staged, digests)
        ]

    def restore(self, path: Path, artifact: Artifact) -> None:
        self._uploaded(path, _published(artifact.job_id, artifact.attempt), artifact)

    def open(self, artifact: Artifact) -> BucketFile:
        if {"", ".", ".."} & {artifact.job_id, *artifact.name.split("/")}:
            raise ArtifactNotFoundError(artifact.id)
        folder = _published(artifact.job_id, artifact.attempt)
        try:
            return BucketFile(self._bucket, self._bucket.find(f"{folder}/{artifact.name}"))
        except FileNotFoundError:
            raise ArtifactNotFoundError(artifact.id) from None

    def staged_jobs(self) -> list[str]:
        return sorted({*self._staging.jobs(), *self._copies.jobs()})

    def staged_here(self) -> list[str]:
        return self._staging.jobs()

    def discard_here(self, job_id: str) -> None:
        self._staging.discard_job(job_id)

    def published_jobs(self) -> list[str]:
        return self._bucket.folders(FOLDER)

    def is_resumable(self, job_id: str, attempt: int) -> bool:
        return self._staging.is_resumable(job_id, attempt) or self._copies.is_complete(
            job_id, attempt
        )

    def discard(self, job_id: str, attempt: int) -> None:
        self._staging.discard(job_id, attempt)
        self._copies.delete(job_id, attempt)

    def discard_job(self, job_id: str) -> None:
        self._staging.discard_job(job_id)
        self._copies.delete_job(job_id)

    def delete_job(self, job_id: str) -> None:
        self.discard_job(job_id)
        self._bucket.delete_folder(f"{FOLDER}/{job_id}")

    def retract(self, job_id: str, attempt: int) -> None:
        self._bucket.delete_folder(_published(job_id, attempt))

    def remove_all_but(self, kept: Collection[str], job_id: str, attempt: int) -> None:
        folder = _published(job_id, attempt)
        names = [stored.name for stored in self._bucket.objects(folder)]
        self._bucket.delete([name for name in names if name.removeprefix(f"{folder}/") not in kept])

    def keep_only(self, job_id: str, attempt: int) -> None:
        kept = f"{_published(job_id, attempt)}/"
        names = [stored.name for stored in self._bucket.objects(f"{FOLDER}/{job_id}")]
        self._bucket.delete([name for name in names if not name.startswith(kept)])
        self.discard_job(job_id)

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no limit."""
        return None

    def _uploaded(
        self, path: Path, folder: str, artifact: NewArtifact | Artifact, check: Check = proceed
    ) -> str:
        """Upload a file with the headers that a download needs, and return its identity."""
        filename = quote(artifact.name.rpartition("/")[2], safe="")
        return self._bucket.upload(
            path,
            f"{folder}/{artifact.name}",
            artifact.sha256,
            {
                "Content-Type": artifact.media_type,
                "Content-Disposition": f"attachment; filename*=utf-8''{filename}",
            },
            check,
        )


def _published(job_id: str, attempt: int) -> str:
    return f"{FOLDER}/{job_id}/{attempt}"
