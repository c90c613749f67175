"""Repairs what others left: unsent messages, jobs of lost workers."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.datasets import DatasetRepository
from db.jobs.releases import delete_files
from db.jobs.retention import RetentionRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.spec.upload_store import UploadStore
from db.triggers import TriggerRepository
from db.webhooks.deliveries import DeliveryRepository

log = logging.getLogger(__name__)
Push = Callable[[str, str], object]
"""Rings for a job in a queue."""
CUT_SHORT_AFTER = timedelta(hours=1)
MOST_BATCHES = 200


def relay(sessions: Sessions, push: Push, rings: Callable[[str], int]) -> int:
    """Push the queued jobs that no worker has heard of, and return how many there were.

    They are marked first, so that no lock is held while the broker is spoken to; a push that
    fails is made again when the mark has aged. A ring is for any job: a queue in which as many
    ``rings`` lie as jobs wait needs no more, or they would pile up behind a long job.
    """
    with sessions.begin() as session:
        waiting = QueueRepository(session).runnable_counts()
        unpushed = {queue: RecoveryRepository(session).unpushed(100, queue) for queue in waiting}
        RecoveryRepository(session).mark_pushed(
            [job_id for ids in unpushed.values() for job_id in ids]
        )
    pushed = 0
    for queue, ids in unpushed.items():
        missing = max(0, waiting[queue] - rings(queue)) if ids else 0
        for job_id in ids[:missing]:
            push(job_id, queue)
            pushed += 1
    return pushed


def is_wanted(sessions: Sessions, job_id: str, queues: Sequence[str]) -> bool:
    """Whether a worker of these queues has anything to do when it is rung for a job."""
    with sessions() as session:
        return RecoveryRepository(session).is_lost(job_id) or QueueRepository(session).has_runnable(
            queues
        )


def reap(sessions: Sessions, store: ArtifactStore, kept: timedelta) -> int:
    """Take back every job whose worker fell silent, and return how many there were.

    Jobs past their deadline end, and what others staged goes when it was ``kept`` long enough for
    a retry.
    """
    with sessions.begin() as session:
        recovery = RecoveryRepository(session)
        recovery.expire_overdue()
        released = recovery.release_expired()
        left = recovery.no_longer_retryable(store.staged_jobs(), kept)
        WorkerRepository(session).delete_lost()
    for job in released:
        delete_files(store, job)
    for job_id in left:
        store.discard_job(job_id)
    return len(released)


def delete_orphans(sessions: Sessions, store: ArtifactStore) -> int:
    """Delete the files of jobs that were deleted, and return how many jobs these were."""
    with sessions() as session:
        gone = RecoveryRepository(session).missing(store.published_jobs())
    for job_id in gone:
        store.delete_job(job_id)
    return len(gone)


def delete_left_uploads(sessions: Sessions, uploads: UploadStore) -> int:
    """Delete uploads that were cut short, and the files of datasets that were deleted.

    A file is there a moment before its row, so a new one is left alone.
    """
    left = uploads.untouched(CUT_SHORT_AFTER)
    with sessions() as session:
        gone = DatasetRepository(session).missing(left)
    for name in gone:
        uploads.delete(name)
    return len(gone)


def forget(sessions: Sessions, *, events_s: float, audit_s: float) -> int:
    """Delete entries of the audit and details of jobs that were kept for so long; 0 is for ever.

    A little in each transaction, so that no other writer waits for long; what is left over goes
    in the next sweep. Returns how many rows went.
    """
    gone = 0
    for prune, kept_s in ((_delete_events, events_s), (_delete_audit_entries, audit_s)):
        for _ in range(MOST_BATCHES if kept_s else 0):
            count = prune(sessions, timedelta(seconds=kept_s))
            if not count:
                break
            gone += count
    return gone


def _delete_events(sessions: Sessions, kept: timedelta) -> int:
    """Look for jobs first, which takes a while where there are many, and lets others write."""
    with sessions() as session:
        job_ids = RetentionRepository(session).jobs_with_details(kept)
    if not job_ids:
        return 0
    with sessions.begin() as session:
        return RetentionRepository(session).delete_details(job_ids, kept)


def _delete_audit_entries(sessions: Sessions, kept: timedelta) -> int:
    with sessions.begin() as session:
        return RetentionRepository(session).delete_audit_entries(kept)


def purge(sessions: Sessions) -> int:
    """Delete the deliveries of long ago, out and in, and return how many there were."""
    with sessions.begin() as session:
        return DeliveryRepository(session).purge() + TriggerRepository(session).purge()
