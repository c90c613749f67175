"""What a caller may ask of a job that is there: stop, wait, go on, again, away, another name."""

from collections.abc import Container, Mapping
from typing import Any

from sqlalchemy import ColumnElement, case, delete, null, true
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import IllegalTransitionError, StaleVersionError
from db.core.states import FINAL, JobState
from db.events.job_rows import change_job, get_job, record_event
from db.events.transitions import CANCELLED, PAUSED, RESUMED, RETRIED, choose, entering
from db.jobs.labels import copy_labels
from db.jobs.search import search_text
from db.tables.base import Document
from db.tables.jobs import Job
from db.webhooks.fanout import FanOut


class JobCommands:
    """The jobs in one session, as their callers steer them.

    Every method takes the ``version`` that the job must still be at, None for any, and raises
    `JobNotFoundError`, `StaleVersionError`, or `IllegalTransitionError` where the job's state does
    not allow what is asked.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def cancel(self, job_id: str, *, version: int | None = None) -> Job:
        """Cancel a job, or ask its worker to; asking twice changes nothing."""
        at_once = choose(CANCELLED) == JobState.cancelled
        values = {"finished_at": case((at_once, now()), else_=null())}
        asked = {JobState.cancelling, JobState.cancelled}
        return self._steer(job_id, CANCELLED, version, asked, JobState.cancelled, values)

    def pause(self, job_id: str, *, version: int | None = None) -> Job:
        """Hold a job back, or ask its worker to give it back; asking twice changes nothing."""
        asked = {JobState.pausing, JobState.paused}
        return self._steer(job_id, PAUSED, version, asked, JobState.paused)

    def resume(self, job_id: str, *, version: int | None = None) -> Job:
        """Let a paused job go on from its last finished block; asking twice changes nothing."""
        asked, values = {JobState.queued, JobState.running}, {"pushed_at": None, "not_before": None}
        return self._steer(job_id, RESUMED, version, asked, JobState.queued, values)

    def retry(self, job_id: str, *, version: int | None = None) -> Job:
        """Queue a job again that did not succeed.

        Its crashes so far no longer count, nor does a deadline that has passed.
        """
        deadline = case((Job.deadline < now(), null()), else_=Job.deadline)
        anew = dict.fromkeys(("crashes", "strikes", "retries"), 0)
        values = entering(JobState.queued) | anew | {"deadline": deadline}
        job = change_job(
            self._session, job_id, Job.status.in_(RETRIED), _is_at(version), values=values
        )
        if job is None:
            raise IllegalTransitionError(job_id, self._at(job_id, version).status, JobState.queued)
        record_event(self._session, job, "status", {"reason": "retry"})
        return job

    def describe(
        self,
        job_id: str,
        *,
        name: str | None,
        labels: Document,
        priority: int | None = None,
        version: int | None = None,
    ) -> Job:
        """Call a job something else, or more or less urgent, in whichever state it is.

        Of a job that a worker holds the priority is for when it waits again.
        """
        search = search_text(self._at(job_id, version).spec.model, name)
        values: dict[str, Any] = {"name": name, "labels": labels, "search": search}
        if priority is not None:
            values["priority"] = priority
        job = change_job(self._session, job_id, _is_at(version), values=values)
        if job is None:
            raise StaleVersionError(job_id, version or 0, get_job(self._session, job_id).version)
        copy_labels(self._session, job)
        told = {"name": name, "labels": labels, "priority": job.priority}
        record_event(self._session, job, "described", told)
        return job

    def delete(self, job_id: str, *, version: int | None = None) -> None:
        """Delete a job that has ended, with all that happened to it; its files are left.

        Whoever wants to hear of its end is told first.
        """
        FanOut(self._session).catch_up()
        gone = self._session.scalar(
            delete(Job)
            .where(Job.id == job_id, Job.status.in_(FINAL), _is_at(version))
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        if gone is None:
            raise IllegalTransitionError(job_id, self._at(job_id, version).status, None)

    def _steer(
        self,
        job_id: str,
        outcomes: Mapping[JobState, JobState],
        version: int | None,
        asked: Container[JobState],
        wanted: JobState,
        values: Mapping[str, object] | None = None,
    ) -> Job:
        """Move a job on to what follows its state; leave one that was asked already as it is."""
        change = {"status": choose(outcomes), **(values or {})}
        job = change_job(
            self._session, job_id, Job.status.in_(outcomes), _is_at(version), values=change
        )
        if job is not None:
            record_event(self._session, job, "status")
            return job
        job = self._at(job_id, version)
        if job.status not in asked:
            raise IllegalTransitionError(job_id, job.status, wanted)
        return job

    def _at(self, job_id: str, version: int | None) -> Job:
        """Return the job, which must be at the version if there is one."""
        job = get_job(self._session, job_id)
        if version is not None and job.version != version:
            raise StaleVersionError(job_id, version, job.version)
        return job


def _is_at(version: int | None) -> ColumnElement[bool]:
    return true() if version is None else Job.version == version
