"""What a worker says about the job it holds. Every word carries its attempt number: the fence."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, func, or_, select, true

from db.core.clock import now
from db.core.errors import LeaseLostError
from db.core.problem import Problem
from db.core.states import HELD, JobState, Phase
from db.events.base_repository import JobRows
from db.events.transitions import IDLE, entering, leading_to, releasing
from db.files.artifact_store import NewArtifact
from db.scheduling.crashes import MAX_CRASHES, is_repeated, lost, strikes
from db.scheduling.delays import is_due
from db.scheduling.fair_shares import note_turn
from db.scheduling.sweep_concurrency import has_turn, wait_for_turn
from db.scheduling.workers import is_draining
from db.spec.quality_gate import Gate, Verdict, judge
from db.tables.base import Document
from db.tables.jobs import Artifact, BlockReport, Job, Worker

Block = tuple[int, int, str]
"""Index, total and name of a decoder block."""

Eta = tuple[float, float]
"""How many seconds a job will still take: the median, and what nine in ten do not exceed."""


class LeaseRepository(JobRows):
    """The jobs in one session, as the workers that hold them see them."""

    def claim(
        self,
        job_id: str,
        worker: str,
        *,
        worker_id: str | None = None,
        queues: Sequence[str] = (),
    ) -> Job | None:
        """Take a queued job, or one whose worker was lost.

        None says that it is someone else's, or over, or a point of a sweep whose turn has not come.

        Args:
            job_id: which job.
            worker: the process that will hold it.
            worker_id: the worker that the process belongs to; the job names its device, and a
                draining one gets nothing.
            queues: what the worker takes jobs from; nothing means whatever it is asked for.
        """
        sweep_id = wait_for_turn(self._session, job_id)
        crashed = lost(JobState.running)
        job = self._change(
            job_id,
            or_(Job.status == JobState.queued, crashed & (strikes() < MAX_CRASHES)),
            ~is_draining(worker_id),
            Job.queue.in_(queues) if queues else true(),
            has_turn(sweep_id) if sweep_id is not None else is_due(),
            values=IDLE
            | entering(JobState.running)
            | {
                **self._leased(),
                "attempt": Job.attempt + 1,
                "crashes": Job.crashes + case((crashed, 1), else_=0),
                "strikes": case((crashed, strikes()), else_=Job.strikes),
                "struck_at": case((crashed, now()), else_=Job.struck_at),
                "worker": worker,
                "device": select(Worker.device).where(Worker.id == worker_id).scalar_subquery(),
                "started_at": func.coalesce(Job.started_at, now()),
                "eta_p50_s": None,
                "eta_p90_s": None,
            },
        )
        if job is not None:
            self._record(job, "status", {"worker": worker, "device": job.device})
            note_turn(self._session, job.created_by)
        return job

    def heartbeat(self, job_id: str, attempt: int) -> JobState:
        """Renew the lease; the answer says whether the job should stop.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        return self._held(job_id, attempt).status

    def progress(
        self,
        job_id: str,
        attempt: int,
        *,
        phase: Phase | None = None,
        fraction: float | None = None,
        block: Block | None = None,
        eta: Eta | None = None,
    ) -> JobState:
        """Write how far the job is and renew the lease; what is None stays as it was.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        # Read first is safe here: only the one attempt behind the fence writes phases.
        before = self._session.scalar(select(Job.phase).where(Job.id == job_id))
        fields = _progress(phase, fraction, block, eta)
        if block is not None and not is_repeated(self._session, job_id, attempt, block[0]):
            fields |= {"strikes": 0, "retries": 0}
        job = self._held(job_id, attempt, **fields)
        if phase is not None and phase != before:
            self._record(job, "phase")
        if block is not None:
            self._record(job, "progress", _progress_data(job))
        return job.status

    def report_block(
        self, job_id: str, attempt: int, index: int, name: str, data: Document
    ) -> None:
        """Keep one block's report; a second one for the same block replaces the first.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        self._held(job_id, attempt)
        report = BlockReport(job_id=job_id, attempt=attempt, index=index, name=name, data=data)
        self._session.merge(report)
        self._session.flush()

    def resumed(self, job_id: str, attempt: int, block: int) -> None:
        """Note that the blocks before ``block`` are the finished work of an earlier attempt.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        self._record(self._held(job_id, attempt), "resumed", {"resumed_from_block": block})

    def succeed(
        self, job_id: str, attempt: int, result: Document, artifacts: Sequence[NewArtifact]
    ) -> Job:
        """End a running job with its metrics and its files.

        Raises:
            LeaseLostError: another attempt holds the job, or it is being cancelled, or over.
        """
        values = entering(JobState.succeeded) | {"result": result, "error": None, "progress": 1.0}
        allowed = [state for state in leading_to(JobState.succeeded) if state in HELD]
        verdict = self._verdict(job_id, result)
        said = {} if verdict is Verdict.none else {"verdict": verdict.value}
        values |= {"verdict": verdict}
        job = self._settle(job_id, attempt, allowed, values, said)
        for one in artifacts:
            self._session.add(_artifact(job_id, attempt, one))
        self._session.flush()
        return job

    def fail(self, job_id: str, attempt: int, problem: Problem) -> Job:
        """End a job with what went wrong; one that was being cancelled ends as ``cancelled``.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        error = problem.model_dump(mode="json")
        values = entering(JobState.failed) | {"error": error}
        allowed = [state for state in leading_to(JobState.failed) if state in HELD]
        try:
            return self._settle(job_id, attempt, allowed, values, data={"error": error})
        except LeaseLostError:
            return self.settle_cancelled(job_id, attempt)

    def settle_cancelled(self, job_id: str, attempt: int) -> Job:
        """End a job whose cancel its worker has obeyed.

        Raises:
            LeaseLostError: another attempt holds the job, or nobody asked for a cancel.
        """
        values = entering(JobState.cancelled)
        return self._settle(job_id, attempt, [JobState.cancelling], values)

    def yield_back(self, job_id: str, attempt: int) -> Job:
        """Let go of a job in good order: it is queued again, and no crash is counted.

        One that was being paused or cancelled becomes ``paused`` or ``cancelled`` instead.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        return self._settle(job_id, attempt, list(HELD), releasing(), data={"reason": "yielded"})

    def _verdict(self, job_id: str, result: Document) -> Verdict:
        # Read first is safe here: nobody changes a gate.
        gate = self._session.scalar(select(Job.gate).where(Job.id == job_id))
        return judge(None if gate is None else Gate.model_validate(gate), result)

    def _held(self, job_id: str, attempt: int, **values: Any) -> Job:
        """Renew the lease of a held job, and change the fields that are given."""
        fence = (Job.attempt == attempt, Job.status.in_(HELD))
        write = self._change if values else self._update
        job = write(job_id, *fence, values={**self._leased(), **values})
        if job is None:
            raise LeaseLostError(job_id, attempt)
        return job

    def _leased(self) -> dict[str, Any]:
        return {"leased_at": now(), "lease_until": now(self._lease)}

    def _settle(
        self,
        job_id: str,
        attempt: int,
        allowed: Sequence[JobState],
        values: dict[str, Any],
        data: Document | None = None,
    ) -> Job:
        """Take the job out of the worker's hands."""
        job = self._change(job_id, Job.attempt == attempt, Job.status.in_(allowed), values=values)
        if job is None:
            raise LeaseLostError(job_id, attempt)
        self._record(job, "status", data)
        return job


def _progress(
    phase: Phase | None, fraction: float | None, block: Block | None, eta: Eta | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if phase is not None:
        fields["phase"] = phase
    if fraction is not None:
        fields["progress"] = fraction
    if block is not None:
        fields |= dict(zip(("block_index", "block_total", "block_name"), block, strict=True))
    if eta is not None:
        fields |= dict(zip(("eta_p50_s", "eta_p90_s"), eta, strict=True))
    return fields


def _progress_data(job: Job) -> Document:
    block = {"index": job.block_index, "total": job.block_total, "name": job.block_name}
    return {"fraction": job.progress, "block": block}


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
