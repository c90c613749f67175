"""What a caller asks of a job that is there: stop, wait, go on, be called otherwise, go away."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.orm import Session

from api.deps import IF_MATCH, JobId, Service, ServiceDep
from api.middleware.writers import WritingRoute
from api.schemas.fields import LABELS
from api.schemas.jobs import JobDetail
from api.schemas.requests import JobPatch
from api.submission.submit import push
from api.web.conditional import etag_of, wanted_version
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.jobs.commands import JobCommands
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository
from db.scheduling.queues import QueueRepository
from db.tables.jobs import Job

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], route_class=WritingRoute)
Act = Callable[[Session], Job]


def _wanted(job_id: JobId, request: Request, _: Annotated[None, IF_MATCH]) -> int | None:
    return wanted_version(request, job_id)


Version = Annotated[int | None, Depends(_wanted)]


@router.post("/cancel")
def cancel_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Stop a job that has not ended; asking twice is the same as asking once."""

    def act(session: Session) -> Job:
        return JobCommands(session).cancel(job_id, version=version)

    return _steer(service, response, act)


@router.post("/pause")
def pause_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Hold a job back: a queued one at once, a running one after the block it is in."""

    def act(session: Session) -> Job:
        return JobCommands(session).pause(job_id, version=version)

    return _steer(service, response, act)


@router.post("/resume")
def resume_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Let a paused job go on from its last finished block."""

    def act(session: Session) -> Job:
        return JobCommands(session).resume(job_id, version=version)

    return _steer(service, response, act)


@router.post("/retry")
def retry_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Queue a job again that failed, was cancelled or expired; it goes on where it stopped."""

    def act(session: Session) -> Job:
        QuotaRepository(session).require_room(JobRepository(session).get(job_id).created_by)
        return JobCommands(session).retry(job_id, version=version)

    return _steer(service, response, act)


@router.patch("")
def describe_job(
    job_id: JobId, service: ServiceDep, version: Version, patch: JobPatch, response: Response
) -> JobDetail:
    """Change what a job is called, or how urgent it is; what is left out stays."""

    def act(session: Session) -> Job:
        # Locked, as the patch is merged with what is read here.
        job = JobRepository(session).get(job_id, locked=True)
        labels = patch.labels_of(job)
        _refuse_too_many(labels)
        return JobCommands(session).describe(
            job_id,
            name=patch.name_of(job),
            labels=labels,
            priority=patch.priority_of(job),
            version=version,
        )

    return _steer(service, response, act)


@router.delete("", status_code=204)
def delete_job(job_id: JobId, service: ServiceDep, version: Version) -> Response:
    """Delete a job that has ended, with its events, its files and its idempotency key."""
    with service.sessions.begin() as session:
        JobCommands(session).delete(job_id, version=version)
    service.looks.forget(job_id)
    service.store.delete_job(job_id)
    return Response(status_code=204)


def _steer(service: Service, response: Response, act: Act) -> JobDetail:
    """Do one thing to a job in one transaction; ring for a worker where it waits for one."""
    with service.sessions.begin() as session:
        job = act(session)
        events = EventRepository(session).milestones(job.id)
        position = QueueRepository(session).near_position(job)
    service.looks.forget(job.id)
    if job.status is JobState.queued and job.pushed_at is None:
        push(service, job.id)
    response.headers["etag"] = etag_of(job, position)
    return JobDetail.told(job, events, position)


def _refuse_too_many(labels: dict[str, str]) -> None:
    if len(labels) > LABELS:
        error = {"type": "too_long", "loc": ("body", "labels"), "input": labels}
        raise RequestValidationError(
            [error | {"msg": f"A job may have {LABELS} labels", "ctx": {"max_length": LABELS}}]
        )
