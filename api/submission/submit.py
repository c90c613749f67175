"""What happens to a job from its request to the answer."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.deps import Service
from api.schemas.jobs import JobDetail, JobPreview
from api.schemas.requests import JobRequest
from api.services.preflight import Sources
from api.submission.idempotency import REPLAYED, KeyedRequest, first_answer, keep_answer
from db.core.errors import KeyTakenError, SpecRefusedError
from db.events.job_events import EventRepository
from db.files.artifacts import ArtifactRepository
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.spec.metrics import check_gate
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.startup.tracing import traceparent, tracer

logger = logging.getLogger(__name__)

NOTHING_NEW: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobPreview | JobDetail,
        "description": "Nothing was made: what a dry run would accept, or the job that is reused.",
    }
}


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Attributes:
        request: what it came as; the job counts for the quotas of whoever sent it.
        parent_id: the job that this one is a rerun of.
        patience_s: how long it may wait to be judged, if less than others.
    """

    body: JobRequest
    request: KeyedRequest
    parent_id: str | None = None
    patience_s: float | None = None


def submit(
    service: Service, asked: Submission, note: Callable[[Session, str], None] | None = None
) -> Response:
    """Accept a job once, however often it is asked for with one key.

    ``note`` writes of the job, by its id, in the transaction that makes it.
    """
    if (first := replayed(service, asked.request)) is not None:
        return first
    spec = asked.body.spec()
    warnings = judged(service, asked, spec)
    reuse = asked.body.reuse == "if_succeeded"
    same = reusable(service, spec, asked.body.gate) if reuse else None
    try:
        with tracer.start_as_current_span("submit"), service.sessions.begin() as session:
            answer = _accept(session, asked, spec, warnings, same)
            if note is not None:
                note(session, answer.job_id)
    except KeyTakenError:  # by a request that has been committed since
        return submit(service, asked, note)
    if answer.status_code == 201:
        push(service, answer.job_id)
    return answer.response()


def replayed(service: Service, request: KeyedRequest) -> Response | None:
    """Return the first answer of a request that comes once more; None: it is new."""
    if (kept := first_answer(service, request)) is None:
        return None
    return _Answer(kept.job_id, kept.status, kept.body).response(REPLAYED)


def preview(service: Service, asked: Submission) -> Response:
    """Check what a submission checks; write nothing."""
    return JSONResponse(previewed(service, asked).model_dump(mode="json"))


def previewed(service: Service, asked: Submission) -> JobPreview:
    """Return what would be accepted."""
    spec = asked.body.spec()
    warnings = judged(service, asked, spec)
    with service.sessions() as session:
        QuotaRepository(session).require_room(asked.request.created_by)
    same = reusable(service, spec, asked.body.gate)
    return JobPreview(
        spec=spec,
        name=asked.body.name,
        labels=dict(asked.body.labels),
        parent_id=asked.parent_id,
        queue=asked.body.queue,
        priority=asked.body.priority,
        gate=asked.body.gate,
        warnings=warnings,
        identical_job_id=same,
    )


def reusable(service: Service, spec: PruneSpec, gate: Gate | None) -> str | None:
    """Return the latest job that succeeded with exactly this, and whose files are all whole."""
    with service.sessions() as session:
        found = JobRepository(session).identical(spec, gate)
    for job in found:
        with service.sessions() as session:
            artifacts = ArtifactRepository(session).of_job(job.id)
        if service.checks.are_whole(artifacts):
            return job.id
    return None


@dataclass(frozen=True)
class _Answer:
    job_id: str
    status_code: int
    body: dict[str, Any]

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        location = {"location": f"/v1/jobs/{self.job_id}"}
        return JSONResponse(self.body, self.status_code, headers=location | dict(headers or {}))


def _accept(
    session: Session,
    asked: Submission,
    spec: PruneSpec,
    warnings: list[str],
    same: str | None,
) -> _Answer:
    """Write the job and the answer; or answer with job ``same``, unless it was deleted since."""
    jobs = JobRepository(session)
    found = jobs.identical(spec, asked.body.gate) if same else []
    job, status = next((one for one in found if one.id == same), None), 200
    if job is None:
        job, status = jobs.add(new_job(asked, spec, warnings)), 201
    milestones = EventRepository(session).milestones(job.id)
    shown = JobDetail.told(job, milestones, QueueRepository(session).near_position(job))
    answer = _Answer(job.id, status, shown.model_dump(mode="json"))
    keep_answer(session, asked.request, job.id, status, answer.body)
    return answer


def new_job(asked: Submission, spec: PruneSpec, warnings: list[str]) -> NewJob:
    """Return the job that a request asks for."""
    return NewJob(
        spec,
        name=asked.body.name,
        labels=dict(asked.body.labels),
        warnings=tuple(warnings),
        parent_id=asked.parent_id,
        queue=asked.body.queue,
        priority=asked.body.priority,
        deadline=asked.body.deadline,
        gate=asked.body.gate,
        created_by=asked.request.created_by,
        traceparent=traceparent(),
    )


def judged(service: Service, asked: Submission, spec: PruneSpec) -> list[str]:
    """Return what could not be checked of a request.

    Raises:
        SpecRefusedError, ProblemError: something that it names cannot be used.
    """
    sources = checked(service, asked.body, spec)
    open_ones = [spec] if sources.leave_open(spec) else []
    return sources.warnings + service.planner.judge(open_ones, asked.patience_s)


def checked(service: Service, body: JobRequest, spec: PruneSpec) -> Sources:
    """Return the model and the texts that a request names, as they were found.

    Raises:
        SpecRefusedError: one of them cannot be used.
    """
    check_gate(body.gate)
    require_queue(service, body.queue)
    _refuse_a_past_deadline(body)
    return service.preflight.check(spec)


def _refuse_a_past_deadline(body: JobRequest) -> None:
    """Check what was possible when it was written, so not where a request is repeated."""
    if body.deadline is not None and body.deadline <= datetime.now(UTC):
        value, reason = body.deadline.isoformat(), "that moment has passed"
        raise SpecRefusedError("deadline", value, "deadline_passed", reason, "Name a later one.")


@contextmanager
def left_to_the_janitor() -> Iterator[None]:
    """Ring if the database lets us; what was asked is committed, and must not be denied."""
    try:
        yield
    except SQLAlchemyError as error:
        logger.warning("the janitor has to ring for what was committed: %s", error)


def push(service: Service, job_id: str) -> None:
    """Ring for a worker, after the commit: it must find the row. Never raises."""
    with left_to_the_janitor():
        ring(service, job_id)


def ring(service: Service, job_id: str) -> None:
    """Ring for a worker, unless the job waits for none any more.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    with service.sessions() as session:
        queue = QueueRepository(session).queue_of(job_id)
    if queue is not None and service.queue.push(job_id, queue):
        with service.sessions.begin() as session:
            RecoveryRepository(session).mark_pushed([job_id])


def require_queue(service: Service, queue: str) -> None:
    """Refuse a queue that nobody would ever take jobs from.

    Raises:
        SpecRefusedError: it is neither configured nor any living worker's.
    """
    if queue in service.known_queues:
        return
    with service.sessions() as session:
        known = WorkerRepository(session).alive_queues() | set(service.known_queues)
    if queue not in known:
        remedy = f"Use one of {', '.join(sorted(known))}, or start a worker for it."
        raise SpecRefusedError("queue", queue, "unknown_queue", "no worker serves it", remedy)
