"""Takes jobs back from workers that are known to be dead, before their leases end."""

import logging

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.recovery import RecoveryRepository
from db.tables.jobs import Job

log = logging.getLogger(__name__)


def release(sessions: Sessions, store: ArtifactStore, job_id: str, worker: str) -> None:
    """Take a job back from a worker that is known to be dead."""
    with sessions.begin() as session:
        job = RecoveryRepository(session).release_lost(job_id, worker)
    if job is not None:
        clear(store, job)


def release_held(sessions: Sessions, store: ArtifactStore, worker: str) -> None:
    """Take back every job that a worker holds that is known to be dead."""
    with sessions() as session:
        held = RecoveryRepository(session).held_by(worker)
    for job_id in held:
        release(sessions, store, job_id, worker)


def clear(store: ArtifactStore, job: Job) -> None:
    """Delete what the lost attempt published; the row no longer lets it succeed.

    What it staged stays as long as another attempt may go on from there.
    """
    log.warning("job %s lost its worker in attempt %d: now %s", job.id, job.attempt, job.status)
    store.retract(job.id, job.attempt)
    if job.status.is_final:
        store.discard_unusable(job.id, job.attempt)
