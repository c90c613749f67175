"""Deletion of rows and files that are no longer needed."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.datasets import DatasetRepository
from db.jobs.old_rows import OldRowRepository
from db.scheduling.recovery import RecoveryRepository
from db.spec.datasets.upload_store import UploadStore
from db.triggers import TriggerRepository
from db.webhooks.deliveries import DeliveryRepository

INCOMPLETE_AFTER = timedelta(hours=1)
MAX_BATCHES = 200


def delete_orphans(sessions: Sessions, store: ArtifactStore) -> int:
    """Delete the files of deleted jobs, and return the number of these jobs."""
    with sessions() as session:
        deleted = RecoveryRepository(session).missing(store.published_jobs())
    for job_id in deleted:
        store.delete_job(job_id)
    return len(deleted)


def delete_orphaned_uploads(sessions: Sessions, uploads: UploadStore) -> int:
    """Delete incomplete uploads and the files of deleted datasets; return how many were deleted.

    A file is written before its database row, so recently modified files are left alone.
    """
    candidates = uploads.unmodified_for(INCOMPLETE_AFTER)
    with sessions() as session:
        orphaned = DatasetRepository(session).missing(candidates)
    for name in orphaned:
        uploads.delete(name)
    return len(orphaned)


def delete_old_events(sessions: Sessions, *, events_s: float, audit_s: float) -> int:
    """Delete old details of ended jobs and old audit entries; return the number of deleted rows.

    The details are the events of the kinds ``phase``, ``progress`` and ``resumed``. Each
    transaction deletes a small batch, so that other writers never wait for long. One call deletes
    a limited number of batches.

    Args:
        sessions: the sessions of the database.
        events_s: seconds from the end of a job to the deletion of its details; 0 keeps them.
        audit_s: seconds after which an audit entry is deleted; 0 keeps all entries.
    """
    count = 0
    for delete_batches, age_s in ((_delete_events, events_s), (_delete_audit, audit_s)):
        if age_s:
            count += sum(islice(delete_batches(sessions, timedelta(seconds=age_s)), MAX_BATCHES))
    return count


def _delete_events(sessions: Sessions, age: timedelta) -> Iterator[int]:
    """Delete the old events of the jobs, in batches; the slow search for jobs takes no lock."""
    last = ""
    while True:
        with sessions() as session:
            job_ids = OldRowRepository(session).jobs_with_details(age, last)
        if not job_ids:
            return
        last = job_ids[-1]
        with sessions.begin() as session:
            deleted = OldRowRepository(session).delete_details(job_ids, age)
        yield deleted  # after the commit


def _delete_audit(sessions: Sessions, age: timedelta) -> Iterator[int]:
    while True:
        with sessions.begin() as session:
            deleted = OldRowRepository(session).delete_audit_entries(age)
        if not deleted:
            return
        yield deleted


def delete_old_deliveries(sessions: Sessions) -> int:
    """Delete old webhook deliveries and old trigger calls, and return how many were deleted."""
    with sessions.begin() as session:
        return DeliveryRepository(session).purge() + TriggerRepository(session).purge()
