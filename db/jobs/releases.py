"""The release of jobs whose workers have crashed, without waiting for their leases to expire."""

import logging

from db.buckets.errors import BucketError
from db.core.session import Sessions
from db.events.job_rows import JobRow
from db.files.artifact_store import ArtifactStore
from db.scheduling.recovery import RecoveryRepository

logger = logging.getLogger(__name__)


def release_job(sessions: Sessions, store: ArtifactStore, job_id: str, worker: str) -> None:
    """Release a job that a crashed worker held, and call `delete_files` for the lost attempt."""
    with sessions.begin() as session:
        job = RecoveryRepository(session).release_lost(job_id, worker)
    if job is not None:
        delete_files(store, job)


def release_jobs_of(sessions: Sessions, store: ArtifactStore, worker: str) -> None:
    """Release all jobs that a crashed worker held, as `release_job` does."""
    with sessions() as session:
        held = RecoveryRepository(session).held_by(worker)
    for job_id in held:
        release_job(sessions, store, job_id, worker)


def delete_files(store: ArtifactStore, job: JobRow) -> None:
    """Delete the published files of a lost attempt.

    Call this only after the job has been released: from then on, the attempt cannot succeed. The
    attempt's staged files are deleted only if the job has ended and no retry can resume from them.
    """
    logger.warning(
        "job %s lost its worker in attempt %d and is now %s", job.id, job.attempt, job.status
    )
    try:
        store.retract(job.id, job.attempt)
        if job.status.is_final:
            store.discard_unusable(job.id, job.attempt)
    except BucketError as error:  # what is left is deleted when the job succeeds, or with the job
        logger.warning("files of attempt %d of job %s are left: %s", job.attempt, job.id, error)
