"""The deletion of finished jobs' files by retention rules: which jobs, and its record."""

from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.access.audit import AuditRepository
from db.core.clock import now
from db.core.retention_rules import Deletion, StoredJob
from db.core.states import FINAL, JobState
from db.events.job_rows import change_job, record_event
from db.files.downloads import PROTECTED_FOR, was_downloaded
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.outputs import Output, OutputState
from db.tables.trials import Trial

UNSENT = (OutputState.waiting, OutputState.running)
KEPT = frozenset({"report.json", "provenance.json", "provenance.intoto.jsonl"})
"""The files that no rule deletes: they say how the others were made."""


class FileRetention:
    """Reads what the rules are applied to, and records what they delete; never commits.

    A deletion is recorded and committed before its files are removed, so that no row without a file
    seems to have one. `unremoved` finds the files if their removal was interrupted.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def stored_jobs(self) -> list[StoredJob]:
        """Return all jobs with files that a rule could delete."""
        sizes = select(Artifact.job_id, func.sum(Artifact.size_bytes).label("total"))
        sizes = sizes.where(_IS_DELETABLE).group_by(Artifact.job_id)
        stored = sizes.subquery()
        columns = (Job.id, Job.name, Job.finished_at, Job.model_key, Job.labels)
        query = select(*columns, stored.c.total, _is_protected()).join(
            stored, stored.c.job_id == Job.id
        )
        query = query.where(Job.status == JobState.succeeded, Job.finished_at.is_not(None))
        return [
            StoredJob(job_id, name, ended, model, labels, int(total), bool(is_protected))
            for job_id, name, ended, model, labels, total, is_protected in self._session.execute(
                query
            )
        ]

    def time(self) -> datetime:
        """Return the database's time, by which a file's age is measured."""
        return self._session.scalars(select(now())).one()

    def record(self, deletion: Deletion) -> Document | None:
        """Record a deletion in the job's files, its events and the audit, and return its figures.

        Return None if the job was pinned, used, or deleted since the plan was made.
        """
        job_id, rule = deletion.job.id, deletion.rule.name
        conditions = (Job.status == JobState.succeeded, ~_is_protected())
        if (job := change_job(self._session, job_id, *conditions, values={})) is None:
            return None
        deleted = update(Artifact).where(Artifact.job_id == job_id, _IS_DELETABLE)
        deleted = deleted.values(deleted_at=now(), deleted_by=rule).returning(Artifact.size_bytes)
        sizes = self._session.scalars(deleted.execution_options(synchronize_session=False)).all()
        if not sizes:  # another process deleted them since
            return None
        data: Document = {
            "rule": rule,
            "reason": deletion.reason,
            "files": len(sizes),
            "bytes": sum(sizes),
        }
        record_event(self._session, job, "files_deleted", data)
        AuditRepository(self._session).add(
            key_id=None,
            who=f"retention rule {rule}",
            action="delete_files",
            target=f"/v1/jobs/{job_id}/artifacts",
            status=204,
            request_id="",
            address="",
            data=data,
        )
        return data

    def unremoved(self) -> list[tuple[str, int]]:
        """Return the jobs and attempts with deleted files that may still be on the disk."""
        query = select(Artifact.job_id, Artifact.attempt)
        query = query.where(Artifact.on_disk, Artifact.deleted_by.is_not(None)).distinct()
        return [(job_id, attempt) for job_id, attempt in self._session.execute(query)]

    def record_removal(self, job_id: str, attempt: int) -> None:
        """Record that the attempt's deleted files are no longer on the disk."""
        removed = update(Artifact).where(Artifact.job_id == job_id, Artifact.attempt == attempt)
        removed = removed.where(Artifact.deleted_by.is_not(None)).values(on_disk=False)
        self._session.execute(removed.execution_options(synchronize_session=False))


_IS_DELETABLE: ColumnElement[bool] = Artifact.deleted_by.is_(None) & Artifact.name.not_in(KEPT)


@lru_cache  # building it takes longer than the queries that use it
def _is_protected() -> ColumnElement[bool]:
    """Return SQL, never NULL, for whether no rule may delete a job's files now.

    The job is pinned, a client downloads its files, or they are still to be sent to an output; or a
    rerun of it or another job of its sweep has not ended, so that the two will be compared; or a
    trial of it has not been answered; or a job that starts from its result or search has not ended.
    """
    other = aliased(Job)
    unfinished = other.status.not_in(FINAL)
    parents = select(other.parent_id).where(unfinished, other.parent_id.is_not(None))
    started = select(other.model_job_id).where(unfinished, other.model_job_id.is_not(None))
    searched = select(other.search_job_id).where(unfinished, other.search_job_id.is_not(None))
    answering = aliased(Job)
    tried = select(Trial.tried_id).join(answering, answering.id == Trial.job_id)
    tried = tried.where(answering.status.not_in(FINAL))
    sweeps = select(other.sweep_id).where(unfinished, other.sweep_id.is_not(None))
    unsent = select(Output.job_id).where(Output.state.in_(UNSENT))
    return or_(
        Job.pinned,
        was_downloaded(PROTECTED_FOR),
        Job.id.in_(unsent),
        Job.id.in_(parents),
        Job.id.in_(tried),
        Job.id.in_(started),
        Job.id.in_(searched),
        Job.sweep_id.is_not(None) & Job.sweep_id.in_(sweeps),
    )
