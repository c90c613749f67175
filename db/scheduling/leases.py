"""The writes of a worker to the job that it holds.

Each write names the number of the worker's attempt, and fails once another attempt holds the job.
"""

import random
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from db.core.clock import now
from db.core.errors import JobNotFoundError, LeaseLostError
from db.core.problem import Problem
from db.core.states import HELD, JobState, Phase
from db.events.job_rows import (
    HeldJob,
    JobChange,
    JobRow,
    change_of_job,
    change_row,
    get_job,
    record_event,
    visible_change,
)
from db.events.transitions import LEASE, entering, is_in, leading_to, lease_fields, releasing
from db.files.sealed_folder import NewArtifact
from db.outputs.repository import OutputRepository
from db.scheduling.crashes import is_gradual_step_repeated, is_repeated, is_step_repeated
from db.scheduling.transient_retries import RETRIES
from db.spec.quality_gate import Gate, Verdict, judge
from db.spec.sorted_metrics import sorted_metrics
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import BlockReport, Job

Block = tuple[int, int, str]
"""Index, total and name of a decoder block."""

Eta = tuple[float | None, float | None]
"""The predicted remaining seconds of a job: the median, and the 90th percentile; None if they have
become unknown."""


class LeaseRepository:
    """The updates that a worker makes to the job that it holds; never commits.

    Every method raises `LeaseLostError` if another attempt holds the job, or if no attempt does.
    """

    def __init__(self, session: Session, *, lease: timedelta = LEASE) -> None:
        self._session, self._lease = session, lease

    def status(self, job_id: str, attempt: int) -> JobState:
        """Return the job's state, and leave the lease as it is.

        Raises:
            JobNotFoundError: the job was deleted.
            LeaseLostError: a later attempt has started.
        """
        row = self._session.connection().execute(_STATUS, {"job": job_id}).one_or_none()
        if row is None:
            raise JobNotFoundError(job_id)
        status, held_by = row
        if held_by != attempt:
            raise LeaseLostError(job_id, attempt)
        return status

    def heartbeat(self, job_id: str, attempt: int) -> JobState:
        """Renew the lease, and return the job's state, which shows a requested pause or cancel."""
        values = {"job": job_id, "held_attempt": attempt}
        status = self._session.connection().scalar(_heartbeat(self._lease), values)
        if status is None:
            raise LeaseLostError(job_id, attempt)
        return status

    def report_progress(
        self,
        job_id: str,
        attempt: int,
        *,
        phase: Phase | None = None,
        fraction: float | None = None,
        block: Block | None = None,
        recovery: Document | None = None,
        eta: Eta | None = None,
        step: Document | None = None,
    ) -> JobState:
        """Renew the lease, store progress and return the state; None leaves a field unchanged.

        ``recovery`` holds the stage, the step number and the losses of one step of a recovery;
        ``step`` the number of a gradual job's step, and its result once it has finished. They are
        stored in a ``progress`` event, but not in the job's row.
        """
        # Reading first is safe: only the attempt that holds the job writes its phase.
        before = self._session.connection().scalar(_PHASE, {"job": job_id})
        new = _progress(phase, fraction, block, eta)
        if self._is_further(job_id, attempt, block, recovery, step):
            new |= {"strikes": 0, "retries": 0}
        job = self._renew(job_id, attempt, **new)
        if phase is not None and phase != before:
            record_event(self._session, job, "phase")
        is_finished = step is not None and step["result"] is not None
        if block is not None or recovery is not None or is_finished:
            record_event(self._session, job, "progress", _progress_data(job, recovery, step))
        return job.status

    def report_block(
        self, job_id: str, attempt: int, index: int, name: str, data: Document
    ) -> None:
        """Renew the lease and store a block's report, replacing any earlier one of this attempt."""
        self.heartbeat(job_id, attempt)
        report = {"job_id": job_id, "attempt": attempt, "index": index, "name": name, "data": data}
        self._session.connection().execute(_STORE_REPORT, report)

    def report_resume(self, job_id: str, attempt: int, kept: Document) -> None:
        """Record how many blocks or recovery steps earlier attempts finished; renew the lease."""
        job = self._renew(job_id, attempt)
        record_event(self._session, job, "resumed", kept)

    def report_warning(self, job_id: str, attempt: int, text: str, beginning: str) -> None:
        """Renew the lease and add a warning in place of an earlier one with the same beginning."""
        job = self._renew(job_id, attempt)
        others = [warning for warning in job.warnings if not warning.startswith(beginning)]
        self._renew(job_id, attempt, warnings=[*others, text])

    def succeed(
        self,
        job_id: str,
        attempt: int,
        result: Document,
        artifacts: Sequence[NewArtifact],
        warnings: Sequence[str] = (),
    ) -> Job:
        """Mark a job as succeeded, with its metrics, files and verdict; enqueue its outputs.

        ``warnings`` are about the result; they are added to those of the submission, each once.

        Raises:
            LeaseLostError: also if the job is being cancelled.
        """
        verdict = self._verdict(job_id, result)
        new: Document = {"result": result, "error": None, "progress": 1.0, "verdict": verdict}
        new["size_bytes"] = sum(artifact.size_bytes for artifact in artifacts)
        data = {} if verdict is Verdict.none else {"verdict": verdict.value}
        self._finish(job_id, attempt, JobState.succeeded, data, new)
        job = get_job(self._session, job_id)
        for name, value in sorted_metrics(result, job.spec.tasks or ()).items():
            setattr(job, name, value)
        if job.started_at is not None and job.finished_at is not None:
            job.seconds = (job.finished_at - job.started_at).total_seconds()
        if warnings:
            job.warnings = list(dict.fromkeys([*job.warnings, *warnings]))
        rows = [_artifact(job_id, attempt, artifact) for artifact in artifacts]
        self._session.add_all(rows)
        self._session.flush()
        OutputRepository(self._session).add_all(job, rows)
        return job

    def fail(self, job_id: str, attempt: int, problem: Problem) -> JobRow:
        """Mark a job as failed, or as cancelled if it was being cancelled."""
        error = problem.model_dump(mode="json")
        try:
            return self._finish(
                job_id, attempt, JobState.failed, {"error": error}, {"error": error}
            )
        except LeaseLostError:
            return self.finish_cancelled(job_id, attempt)

    def postpone(self, job_id: str, attempt: int, problem: Problem) -> JobRow:
        """Queue a job again, to start after a delay; fail it if all its retries are used up.

        If retries are left, a job that was being paused or cancelled becomes paused or cancelled.
        """
        # Reading first is safe: only the attempt that holds the job writes this.
        retries = self._session.connection().scalar(_RETRIES, {"job": job_id}) or 0
        if (delay := RETRIES.delay(retries + 1, random.random)) is None:
            return self.fail(job_id, attempt, problem)
        error = problem.model_dump(mode="json")
        values = {"retries": retries + 1, "not_before": now(delay), "error": error}
        held = (Job.attempt == attempt, Job.status == JobState.running)
        values = entering(JobState.queued) | values
        job = change_row(self._session, change_of_job(*held, values=values), job_id)
        if job is None:
            return self.release(job_id, attempt)
        record_event(self._session, job, "status", _postponed_data(job, problem))
        return job

    def finish_cancelled(self, job_id: str, attempt: int) -> JobRow:
        """Mark a job as cancelled after its worker has stopped.

        Raises:
            LeaseLostError: also if no cancel was requested.
        """
        return self._finish(job_id, attempt, JobState.cancelled)

    def release(self, job_id: str, attempt: int) -> JobRow:
        """Return a job to its queue without counting a crash.

        A job that was being paused or cancelled becomes paused or cancelled instead.
        """
        return self._finish(job_id, attempt, None, {"reason": "yielded"})

    def _verdict(self, job_id: str, result: Document) -> Verdict:
        # Reading first is safe: a job's gate never changes.
        gate = self._session.connection().scalar(_GATE, {"job": job_id})
        return judge(None if gate is None else Gate.model_validate(gate), result)

    def _is_further(
        self,
        job_id: str,
        attempt: int,
        block: Block | None,
        recovery: Document | None,
        step: Document | None,
    ) -> bool:
        """Return whether no earlier attempt has finished this block or step."""
        if step is not None:
            if block is None and recovery is None and step["result"] is None:
                return False
            data = {"block": {"index": block and block[0]}, "recovery": recovery, "step": step}
            return not is_gradual_step_repeated(self._session, job_id, attempt, data)
        if block is not None:
            return not is_repeated(self._session, job_id, attempt, block[0])
        return recovery is not None and not is_step_repeated(
            self._session, job_id, attempt, recovery
        )

    def _renew(self, job_id: str, attempt: int, **values: Any) -> HeldJob:
        """Renew the lease of a held job and set the given columns."""
        change = _renewal(self._lease, tuple(sorted(values)))
        parameters = {"job": job_id, "held_attempt": attempt}
        parameters |= {f"new_{name}": value for name, value in values.items()}
        row = self._session.connection().execute(change, parameters).one_or_none()
        if row is None:
            raise LeaseLostError(job_id, attempt)
        return HeldJob(*row)

    def _finish(
        self,
        job_id: str,
        attempt: int,
        wanted: JobState | None,
        data: Document | None = None,
        new: Document | None = None,
    ) -> JobRow:
        """End the attempt and record it; without a wanted state, the job is released."""
        new = new or {}
        parameters = {f"new_{name}": value for name, value in new.items()}
        change = _end(wanted, tuple(new))
        job = change_row(self._session, change, job_id, {"held_attempt": attempt} | parameters)
        if job is None:
            raise LeaseLostError(job_id, attempt)
        record_event(self._session, job, "status", data)
        return job


_INSERT_REPORT = insert(cast("Table", BlockReport.__table__))
_STORE_REPORT = _INSERT_REPORT.on_conflict_do_update(
    index_elements=["job_id", "attempt", "index"],
    set_={"name": _INSERT_REPORT.excluded.name, "data": _INSERT_REPORT.excluded.data},
)
# Statements on the table, without its mapped class, take less time to execute.
_JOBS = cast("Table", Job.__table__)
_THIS = _JOBS.c.id == bindparam("job")
_HELD_BY_THIS = (_THIS, _JOBS.c.attempt == bindparam("held_attempt"), is_in(*HELD))
_STATUS: Select[JobState, int] = select(_JOBS.c.status, _JOBS.c.attempt).where(_THIS)
_PHASE: Select[Phase | None] = select(_JOBS.c.phase).where(_THIS)
_RETRIES: Select[int] = select(_JOBS.c.retries).where(_THIS)
_GATE: Select[Document | None] = select(_JOBS.c.gate).where(_THIS)


@lru_cache(maxsize=64)
def _heartbeat(lease: timedelta) -> ReturningUpdate[JobState]:
    return (
        update(_JOBS).where(*_HELD_BY_THIS).values(**lease_fields(lease)).returning(_JOBS.c.status)
    )


@lru_cache(maxsize=64)
def _renewal(lease: timedelta, names: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Return the UPDATE that renews a lease, sets the named columns and returns a `HeldJob`."""
    new = lease_fields(lease) | {name: bindparam(f"new_{name}") for name in names}
    if names:
        new |= visible_change()
    renewed = update(_JOBS).where(*_HELD_BY_THIS).values(**new)
    return renewed.returning(*(_JOBS.c[field.name] for field in fields(HeldJob)))


@lru_cache(maxsize=64)
def _end(wanted: JobState | None, names: tuple[str, ...]) -> JobChange:
    """Return the UPDATE that ends an attempt, and sets the named columns as well."""
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    held = _JOBS.c.attempt == bindparam("held_attempt")
    return change_of_job(held, is_in(*ends_from(wanted)), values=ending(wanted) | new)


def ending(wanted: JobState | None) -> dict[str, Any]:
    """Return the columns to set at the end of an attempt; None: the job is released."""
    return releasing() if wanted is None else entering(wanted)


def ends_from(wanted: JobState | None) -> list[JobState]:
    """Return the states in which a job must be for such an end of its attempt."""
    return [state for state in (HELD if wanted is None else leading_to(wanted)) if state in HELD]


def _progress(
    phase: Phase | None, fraction: float | None, block: Block | None, eta: Eta | None
) -> dict[str, Any]:
    new: dict[str, Any] = {}
    if phase is not None:
        new["phase"] = phase
    if fraction is not None:
        new["progress"] = fraction
    if block is not None:
        new |= dict(zip(("block_index", "block_total", "block_name"), block, strict=True))
    if eta is not None:
        new |= dict(zip(("eta_p50_s", "eta_p90_s"), eta, strict=True))
    return new


def _progress_data(job: HeldJob, recovery: Document | None, step: Document | None) -> Document:
    block = {"index": job.block_index, "total": job.block_total, "name": job.block_name}
    data = {"fraction": job.progress, "block": block}
    added = {"recovery": recovery, "step": step}
    return data | {name: value for name, value in added.items() if value is not None}


def _postponed_data(job: JobRow, problem: Problem) -> Document:
    return {
        "reason": "postponed",
        "error": problem.model_dump(mode="json"),
        "retries": job.retries,
        "not_before": job.not_before.isoformat() if job.not_before else None,
    }


def _artifact(job_id: str, attempt: int, new: NewArtifact) -> Artifact:
    return Artifact(
        job_id=job_id,
        attempt=attempt,
        name=new.name,
        size_bytes=new.size_bytes,
        sha256=new.sha256,
        media_type=new.media_type,
        checked_as=new.identity,
    )
