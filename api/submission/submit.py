"""Submitting a job: check the request, write the job, build the response, enqueue the job."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.preflight.preflight import CheckedSources
from api.preflight.worker_extras import check_tasks
from api.preflight.worker_memory import check_min_memory, memory_warnings
from api.schemas.fields import moment_at
from api.schemas.history import Cost
from api.schemas.jobs import JobDetail, JobPreview
from api.schemas.requests import JobRequest
from api.services.job_details import job_detail
from api.services.service import Service
from api.submission.costs import UNESTIMATED, CheckedJob, CostCheck
from api.submission.idempotency import (
    OVERTAKEN,
    REPLAYED,
    KeyedRequest,
    is_repetition,
    store_response,
    stored_response,
)
from db.core.errors import SpecRefusedError
from db.files.artifacts import ArtifactRepository
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.pending_checks import CheckRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.spec.advice import advice
from db.spec.descriptions.option import UNFIT
from db.spec.metrics import check_gate
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.startup.tracing import traceparent, tracer

logger = logging.getLogger(__name__)

NO_NEW_JOB: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobPreview | JobDetail,
        "description": "No job was created: a dry run's preview, or the job that is reused.",
    }
}


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Attributes:
        request: the parts that identify the request. The quotas of the API key
            ``request.created_by`` apply.
        parent_id: the id of the job that is rerun; None for a job that is not a rerun.
        max_planner_wait_s: the timeout of the planner's check, if shorter than the configured
            timeout.
    """

    body: JobRequest
    request: KeyedRequest
    parent_id: str | None = None
    max_planner_wait_s: float | None = None


def submit(
    service: Service,
    submission: Submission,
    in_transaction: Callable[[Session, str], None] | None = None,
) -> Response:
    """Create a job, or reuse an identical succeeded job if the request allows that.

    If a request with the same idempotency key was answered before, only return the earlier
    response. Otherwise, ``in_transaction`` is called with the session and the job's id before the
    commit.
    """
    if (first := replay(service, submission.request)) is not None:
        return first
    spec = submission.body.spec()
    checked = check_with_planner(service, submission, spec)
    reuses = submission.body.reuse == "if_succeeded"
    reusable_id = find_reusable(service, spec, submission.body.gate) if reuses else None
    try:
        with tracer.start_as_current_span("submit"), service.sessions.begin() as session:
            created = _create(session, submission, spec, checked, reusable_id)
            if in_transaction is not None:
                in_transaction(session, created.job_id)
    except OVERTAKEN as error:
        if not is_repetition(service, submission.request, error):
            raise
        return submit(service, submission, in_transaction)
    if created.status_code == 201:
        enqueue(service, created.job_id)
    return created.response()


def replay(service: Service, request: KeyedRequest) -> Response | None:
    """Return the response to an earlier request with the same idempotency key, or None."""
    if (stored := stored_response(service, request)) is None:
        return None
    return _JobResponse(stored.job_id, stored.status, stored.body).response(REPLAYED)


def preview_response(service: Service, submission: Submission) -> Response:
    return JSONResponse(preview(service, submission).model_dump(mode="json"))


def preview(service: Service, submission: Submission) -> JobPreview:
    """Make the same checks as `submit`; return the job that it would create, but create none."""
    spec = submission.body.spec()
    checked = check_with_planner(service, submission, spec)
    new = new_job(submission, spec, checked)
    with service.sessions() as session:
        QuotaRepository(session).check_jobs(new.created_by, 1, new.reserved_cost or 0.0)
    return JobPreview(
        spec=spec,
        name=submission.body.name,
        labels=dict(submission.body.labels),
        parent_id=submission.parent_id,
        queue=submission.body.queue,
        priority=submission.body.priority,
        gate=submission.body.gate,
        warnings=checked.warnings,
        advice=advice(spec),
        likely_cost=Cost.likely(checked.likely_cost, checked.price),
        identical_job_id=find_reusable(service, spec, submission.body.gate),
    )


def find_reusable(service: Service, spec: PruneSpec, gate: Gate | None) -> str | None:
    """Return the id of the latest succeeded job with this specification and gate.

    Skip jobs whose files are missing or damaged; return None if no job is left.
    """
    with service.sessions() as session:
        identical = JobRepository(session).identical(spec, gate)
    for job in identical:
        with service.sessions() as session:
            artifacts = ArtifactRepository(session).of_job(job.id)
        if service.checks.are_undamaged(artifacts):
            return job.id
    return None


@dataclass(frozen=True)
class _JobResponse:
    job_id: str
    status_code: int
    body: dict[str, Any]

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        location = {"location": f"/v1/jobs/{self.job_id}"}
        return JSONResponse(self.body, self.status_code, headers=location | dict(headers or {}))


def _create(
    session: Session,
    submission: Submission,
    spec: PruneSpec,
    checked: CheckedJob,
    reusable_id: str | None,
) -> _JobResponse:
    """Write the job, or reuse the job ``reusable_id`` if it still exists; store the response."""
    jobs = JobRepository(session)
    identical = jobs.identical(spec, submission.body.gate) if reusable_id else []
    job, status = next((job for job in identical if job.id == reusable_id), None), 200
    if job is None:
        added = jobs.add(new_job(submission, spec, checked))
        job, status = CheckRepository(session).refuse_if_known(added), 201
    created = _JobResponse(job.id, status, job_detail(session, job).model_dump(mode="json"))
    store_response(session, submission.request, job.id, status, created.body)
    return created


def new_job(submission: Submission, spec: PruneSpec, checked: CheckedJob) -> NewJob:
    received = datetime.now(UTC)
    return NewJob(
        spec,
        name=submission.body.name,
        labels=dict(submission.body.labels),
        warnings=tuple(checked.warnings),
        parent_id=submission.parent_id,
        queue=submission.body.queue,
        priority=submission.body.priority,
        not_before=moment_at(submission.body.not_before, received),
        deadline=moment_at(submission.body.deadline, received),
        gate=submission.body.gate,
        created_by=submission.request.created_by,
        price=checked.price,
        max_cost=submission.body.max_cost,
        likely_cost=checked.likely_cost,
        min_memory_bytes=submission.body.min_memory_bytes(),
        traceparent=traceparent(),
    )


def check_with_planner(service: Service, submission: Submission, spec: PruneSpec) -> CheckedJob:
    """Check a request, with the planner if needed; return warnings and what the job likely costs.

    A warning names, for example, a check that could not be made.

    Raises:
        SpecRefusedError, ProblemError: the job cannot be run.
    """
    key_id = submission.request.created_by
    sources = check(service, submission.body, spec, key_id)
    costs = CostCheck.of(service, submission.body, key_id)
    asked = [spec] if costs.is_needed or sources.need_planner(spec) else []
    answers = service.planner.check(asked, key_id, submission.max_planner_wait_s)
    estimate = next(iter(answers.estimates), None)
    likely, warnings = costs.likely_cost(estimate), sources.warnings + answers.warnings
    warnings += memory_warnings(service.sessions, submission.body.queue, estimate)
    if costs.is_needed and likely is None:
        warnings = [*warnings, UNESTIMATED]
    return CheckedJob(warnings, costs.price, likely)


def check(
    service: Service, body: JobRequest, spec: PruneSpec, key_id: str | None
) -> CheckedSources:
    """Check a request without the planner; return the model and texts that the request names.

    ``key_id`` is the API key that the request's jobs count against.

    Raises:
        SpecRefusedError: a field's value cannot be used.
    """
    check_gate(body.gate, spec)
    require_queue(service, body.queue)
    _check_times(body, datetime.now(UTC))
    warnings = check_tasks(service.sessions, body.queue, spec)
    warnings += check_min_memory(service.sessions, body.queue, body.min_memory_gb)
    sources = service.preflight.check(spec, key_id)
    return replace(sources, warnings=[*warnings, *sources.warnings])


def _check_times(body: JobRequest, received: datetime) -> None:
    """Refuse a deadline that has passed, or that passes before the job may start.

    This is not in the schema, because a request may be repeated after its deadline.

    Raises:
        SpecRefusedError: the job would expire before it runs.
    """
    start = moment_at(body.not_before, received)
    if (deadline := moment_at(body.deadline, received)) is None:
        return
    value = deadline.isoformat()
    if deadline <= received:
        reason = "is in the past"
        raise SpecRefusedError("deadline", value, "deadline_passed", reason, "Choose a later one.")
    if start is not None and deadline <= start:
        reason = f"the job waits until {start.isoformat()} (not_before), and would expire before"
        remedy = "Choose a later deadline, or an earlier not_before."
        raise SpecRefusedError("deadline", value, UNFIT, reason, remedy)


@contextmanager
def logged_database_errors() -> Iterator[None]:
    """Log database errors and continue: the job is committed, and the relay will enqueue it."""
    try:
        yield
    except SQLAlchemyError as error:
        logger.warning("a committed job was not enqueued; the relay will do it: %s", error)


def enqueue(service: Service, job_id: str) -> None:
    """Publish the broker message of a committed job; log database errors."""
    with logged_database_errors():
        publish(service, job_id)


def publish(service: Service, job_id: str) -> None:
    """Publish a job's broker message; the relay publishes it later if the job awaits a check.

    Raises:
        SQLAlchemyError: the database failed.
    """
    with service.sessions() as session:
        queue = QueueRepository(session).queue_of(job_id)
    if queue is not None and service.queue.push(job_id, queue):
        with service.sessions.begin() as session:
            RecoveryRepository(session).mark_pushed([job_id])


def require_queue(service: Service, queue: str) -> None:
    """Refuse a queue that has no workers and is not configured.

    Raises:
        SpecRefusedError: no live worker serves the queue, and it is not configured.
    """
    if queue in service.known_queues:
        return
    with service.sessions() as session:
        known = WorkerRepository(session).alive_queues() | set(service.known_queues)
    if queue not in known:
        remedy = f"Use one of {', '.join(sorted(known))}, or start a worker for it."
        raise SpecRefusedError("queue", queue, "unknown_queue", "no worker serves it", remedy)
