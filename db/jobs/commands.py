"""The commands that clients give for existing jobs, such as cancel, retry and delete."""

from collections.abc import Container, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, case, delete, literal, null, true
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import IllegalTransitionError, ResultInUseError, StaleVersionError
from db.core.states import FINAL, JobState
from db.events.job_rows import change_job, get_job, record_event
from db.events.transitions import CANCELLED, PAUSED, RESUMED, RETRIED, START, choose, entering
from db.events.use_sums import count_labels
from db.jobs.held_time import keep_times
from db.jobs.labels import sync_labels
from db.jobs.result_models import ResultModelRepository
from db.jobs.search import search_text
from db.jobs.trials import delete_trials
from db.tables.base import Document
from db.tables.jobs import Job
from db.webhooks.fanout import FanOut


class JobCommands:
    """Cancels, pauses, resumes, retries, edits and deletes jobs; never commits.

    Every method takes ``version``, the version that the job must have; with None, any version is
    accepted. Every method raises `JobNotFoundError` if there is no such job, `StaleVersionError` if
    the version differs, and `IllegalTransitionError` if the job's state does not allow the command.
    Cancel, pause and resume return a job unchanged if it already is in the wanted state, or on its
    way there.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def cancel(self, job_id: str, *, version: int | None = None) -> Job:
        """Cancel a job: at once if no worker holds it, else once its worker stops."""
        at_once = choose(CANCELLED) == JobState.cancelled
        values = {"finished_at": case((at_once, now()), else_=null())}
        done = {JobState.cancelling, JobState.cancelled}
        return self._steer(job_id, CANCELLED, version, done, JobState.cancelled, values)

    def pause(self, job_id: str, *, version: int | None = None) -> Job:
        """Pause a job: at once if no worker holds it, else once its worker stops."""
        done = {JobState.pausing, JobState.paused}
        return self._steer(job_id, PAUSED, version, done, JobState.paused)

    def resume(self, job_id: str, *, version: int | None = None) -> Job:
        """Queue a paused job again; its finished blocks are kept.

        If the pause was requested but the worker has not stopped yet, the job goes on running
        instead. A wait after a transient failure is over; the start time of the request stays.
        """
        done, values = {JobState.queued, JobState.running}, {"pushed_at": None, "not_before": START}
        return self._steer(job_id, RESUMED, version, done, JobState.queued, values)

    def retryable(self, job_id: str, *, version: int | None = None) -> Job:
        """Return a job that `retry` would queue again."""
        job = self._at(job_id, version)
        if job.status not in RETRIED:
            raise IllegalTransitionError(job_id, job.status, JobState.queued)
        return job

    def retry(self, job_id: str, *, version: int | None = None) -> Job:
        """Queue a failed, cancelled or expired job again.

        Its counts of crashes and retries are reset, and a deadline that has passed is removed.
        """
        deadline = case((Job.deadline < now(), null()), else_=Job.deadline)
        reset = dict.fromkeys(("crashes", "strikes", "retries"), 0)
        values = entering(JobState.queued) | reset | {"deadline": deadline}
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
        pinned: bool | None = None,
        max_cost: float | None = None,
        version: int | None = None,
    ) -> Job:
        """Set the name, labels and ``max_cost`` of a job in any state; priority and pin if given.

        If a worker holds the job, a new priority takes effect once the job is queued again.
        """
        # Locked: no attempt ends between its times and its labels are read and counted.
        before = self._at(job_id, version, locked=True)
        former, search = dict(before.labels), search_text(before.spec.model, name, labels)
        values: dict[str, Any] = {"name": name, "labels": labels, "search": search}
        values |= {"max_cost": max_cost, "likely_cost": _likely_cost(max_cost)}
        if priority is not None:
            values["priority"] = priority
        if pinned is not None:
            values["pinned"] = pinned
        job = change_job(self._session, job_id, _is_at(version), values=values)
        if job is None:
            raise StaleVersionError(job_id, version or 0, get_job(self._session, job_id).version)
        sync_labels(self._session, job)
        count_labels(self._session, job, former)
        data = {"name": name, "labels": labels, "priority": job.priority, "pinned": job.pinned}
        record_event(self._session, job, "described", data)
        return job

    def delete(self, job_id: str, *, version: int | None = None) -> None:
        """Delete a job that has ended, with its events and trials; the caller deletes its files.

        The times for which workers held them are kept, because they count in reports and budgets.
        Webhook deliveries for all committed events are created first, while the events exist.

        Raises:
            ResultInUseError: jobs that have not ended start from its result.
        """
        FanOut(self._session).catch_up()
        # Locked first: a job that is being added, and starts from the result, is seen afterwards.
        get_job(self._session, job_id, locked=True)
        if users := ResultModelRepository(self._session).users(job_id):
            raise ResultInUseError(job_id, users)
        keep_times(self._session, Job.id == job_id)
        deleted = self._session.scalar(
            delete(Job)
            .where(Job.id == job_id, Job.status.in_(FINAL), _is_at(version))
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        if deleted is None:
            raise IllegalTransitionError(job_id, self._at(job_id, version).status, None)
        delete_trials(self._session, job_id)

    def _steer(
        self,
        job_id: str,
        outcomes: Mapping[JobState, JobState],
        version: int | None,
        done: Container[JobState],
        wanted: JobState,
        values: Mapping[str, object] | None = None,
    ) -> Job:
        """Change the job's state as ``outcomes`` maps it, and return the job.

        If ``outcomes`` does not contain the state, but ``done`` does, return the job unchanged. If
        neither contains it, raise `IllegalTransitionError` with ``wanted`` as the requested state.
        """
        change = {"status": choose(outcomes), "error": None, **(values or {})}
        job = change_job(
            self._session, job_id, Job.status.in_(outcomes), _is_at(version), values=change
        )
        if job is not None:
            record_event(self._session, job, "status")
            return job
        job = self._at(job_id, version)
        if job.status not in done:
            raise IllegalTransitionError(job_id, job.status, wanted)
        return job

    def _at(self, job_id: str, version: int | None, *, locked: bool = False) -> Job:
        """Return the job; raise `StaleVersionError` if ``version`` is given and differs."""
        job = get_job(self._session, job_id, locked=locked)
        if version is not None and job.version != version:
            raise StaleVersionError(job_id, version, job.version)
        return job


def _likely_cost(max_cost: float | None) -> ColumnElement[float | None]:
    """Return SQL for what a job will likely cost, if this becomes its bound.

    Of a job without an estimate, the bound itself is reserved.
    """
    is_unestimated = Job.likely_cost.is_not_distinct_from(Job.max_cost)
    return case((is_unestimated, literal(max_cost, Float)), else_=Job.likely_cost)


def _is_at(version: int | None) -> ColumnElement[bool]:
    return true() if version is None else Job.version == version
