"""What happens to a job from its request to the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.deps import Service
from api.faces import IDEMPOTENCY_CONFLICT
from api.problems import RefusalError
from api.schemas.jobs import JobDetail, JobPreview
from api.schemas.requests import JobRequest
from db.canonical import digest
from db.errors import KeyTakenError, SpecRefusedError
from db.jobs import JobRepository
from db.models import Answer
from db.spec import PruneSpec
from db.tracing import traceparent, tracer
from db.workers import WorkerRepository

NOTHING_NEW: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobPreview | JobDetail,
        "description": "Nothing was made: what a dry run would accept, or the job that is reused.",
    }
}
REPLAYED = {"idempotency-replayed": "true"}


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Attributes:
        path: where it came to; the same key elsewhere is another request.
        key: the caller's idempotency key.
        parent_id: the job that this one is a rerun of.
        created_by: the caller's API key, whose quotas the job counts for.
    """

    body: JobRequest
    path: str
    key: str | None = None
    parent_id: str | None = None
    created_by: str | None = None

    @property
    def digest(self) -> str:
        """What tells this request from another one with the same key."""
        return digest({"path": self.path, "body": self.body.model_dump(mode="json")})


def submit(
    service: Service, asked: Submission, note: Callable[[Session, str], None] | None = None
) -> Response:
    """Accept a job once, however often it is asked for with one key.

    ``note`` writes of the job, by its id, in the transaction that makes it.
    """
    if (first := _replayed(service, asked)) is not None:
        return first
    spec = asked.body.spec()
    warnings = checked(service, asked.body, spec)
    try:
        with tracer.start_as_current_span("submit"), service.sessions.begin() as session:
            answer = _accept(JobRepository(session), asked, spec, warnings)
            if note is not None:
                note(session, answer.job_id)
    except KeyTakenError:  # by a request that has been committed since
        return submit(service, asked, note)
    if answer.status_code == 201:
        push(service, answer.job_id)
    return answer.response()


def preview(service: Service, asked: Submission) -> Response:
    """Check what a submission checks; write nothing."""
    return JSONResponse(previewed(service, asked).model_dump(mode="json"))


def previewed(service: Service, asked: Submission) -> JobPreview:
    """Return what would be accepted."""
    spec = asked.body.spec()
    warnings = checked(service, asked.body, spec)
    with service.sessions() as session:
        jobs = JobRepository(session)
        jobs.require_room(asked.created_by)
        same = jobs.identical(spec, asked.body.gate)
    return JobPreview(
        spec=spec,
        name=asked.body.name,
        labels=dict(asked.body.labels),
        parent_id=asked.parent_id,
        queue=asked.body.queue,
        priority=asked.body.priority,
        gate=asked.body.gate,
        warnings=warnings,
        identical_job_id=None if same is None else same.id,
    )


@dataclass(frozen=True)
class _Answer:
    job_id: str
    status_code: int
    body: dict[str, Any]

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        location = {"location": f"/v1/jobs/{self.job_id}"}
        return JSONResponse(self.body, self.status_code, headers=location | dict(headers or {}))


def _accept(
    jobs: JobRepository, asked: Submission, spec: PruneSpec, warnings: list[str]
) -> _Answer:
    """Write the job and the answer; or find one that is as good."""
    reuse = asked.body.reuse == "if_succeeded"
    job = jobs.identical(spec, asked.body.gate) if reuse else None
    status = 200
    if job is None:
        job, status = jobs.add(spec, **fields_of(asked, warnings)), 201
    shown = JobDetail.told(job, jobs.milestones(job.id))
    answer = _Answer(job.id, status, shown.model_dump(mode="json"))
    if asked.key is not None:
        jobs.keep_answer(asked.key, asked.digest, job.id, status, answer.body)
    return answer


def fields_of(asked: Submission, warnings: list[str]) -> dict[str, Any]:
    """Return what a job's row keeps of its request beside the specification."""
    return {
        "name": asked.body.name,
        "labels": dict(asked.body.labels),
        "warnings": warnings,
        "parent_id": asked.parent_id,
        "deadline": asked.body.deadline,
        "created_by": asked.created_by,
        "gate": asked.body.gate,
        "queue": asked.body.queue,
        "priority": asked.body.priority,
        "traceparent": traceparent(),
    }


def checked(service: Service, body: JobRequest, spec: PruneSpec) -> list[str]:
    """Return what could not be checked of a request.

    Raises:
        SpecRefusedError: something that it names cannot be used.
    """
    require_queue(service, body.queue)
    _refuse_a_past_deadline(body)
    return service.preflight.check(spec)


def _refuse_a_past_deadline(body: JobRequest) -> None:
    """Check what was possible when it was written, so not where a request is repeated."""
    if body.deadline is not None and body.deadline <= datetime.now(UTC):
        value, reason = body.deadline.isoformat(), "that moment has passed"
        raise SpecRefusedError("deadline", value, "deadline_passed", reason, "Name a later one.")


def _replayed(service: Service, asked: Submission) -> Response | None:
    if (kept := first_answer(service, asked)) is None:
        return None
    return _Answer(kept.job_id, kept.status, kept.body).response(REPLAYED)


def first_answer(service: Service, asked: Submission) -> Answer | None:
    """Return what a request with the same key was answered first, if there was one.

    Raises:
        RefusalError: it was another request.
    """
    if asked.key is None:
        return None
    with service.sessions() as session:
        kept = JobRepository(session).answer(asked.key)
    if kept is not None and kept.request_digest != asked.digest:
        raise RefusalError(
            IDEMPOTENCY_CONFLICT, f"Idempotency-Key {asked.key} came with another request before."
        )
    return kept


def push(service: Service, job_id: str) -> None:
    """Ring for a worker, after the commit: it must find the row."""
    with service.sessions() as session:
        queue = JobRepository(session).queue_of(job_id)
    if queue is not None and service.queue.push(job_id, queue):
        with service.sessions.begin() as session:
            JobRepository(session).mark_pushed([job_id])


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
