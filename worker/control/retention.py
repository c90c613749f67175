"""Deletion of finished jobs' files by the retention rules."""

import logging
from collections.abc import Sequence

from db.core.retention_rules import RetentionRule, retention_plan
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.retention import KEPT, FileRetention

logger = logging.getLogger(__name__)
MAX_JOBS = 200


def delete_files(sessions: Sessions, store: ArtifactStore, rules: Sequence[RetentionRule]) -> int:
    """Delete the files of jobs above the rules' limits; return the number of these jobs.

    One call deletes the files of at most `MAX_JOBS` jobs. Files whose deletion was recorded by an
    interrupted call are removed first.
    """
    _remove_recorded(sessions, store)
    if not rules:
        return 0
    with sessions() as session:
        retention = FileRetention(session)
        plan = retention_plan(retention.stored_jobs(), rules, retention.time())
    count = 0
    for deletion in plan[:MAX_JOBS]:
        with sessions.begin() as session:
            count += FileRetention(session).record(deletion) is not None
    _remove_recorded(sessions, store)
    return count


def _remove_recorded(sessions: Sessions, store: ArtifactStore) -> None:
    with sessions() as session:
        unremoved = FileRetention(session).unremoved()
    for job_id, attempt in unremoved:
        try:
            store.remove_all_but(KEPT, job_id, attempt)
        except OSError as error:  # the files of the other jobs can still be removed
            logger.warning("the files of job %s could not be removed: %s", job_id, error)
            continue
        with sessions.begin() as session:
            FileRetention(session).record_removal(job_id, attempt)
