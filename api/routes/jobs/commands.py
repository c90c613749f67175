"""Routes that change an existing job: cancel, pause, resume, retry, edit, delete."""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.orm import Session

from api.middleware.writers import WritingRoute
from api.routes.dependencies import IF_MATCH, JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.jobs import JobDetail
from api.schemas.requests import JobPatch
from api.services.job_details import job_detail
from api.services.service import Service
from api.submission.costs import require_price
from api.submission.submit import enqueue
from api.web.conditional import etag_of, wanted_version
from db.buckets.errors import BucketError
from db.core.label_types import MAX_LABELS
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.costs import CostRepository
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository
from db.tables.jobs import Job

logger = logging.getLogger(__name__)
router = APIRouter(
    prefix="/v1/jobs/{job_id}", tags=["jobs"], route_class=WritingRoute, dependencies=[OWN_TRIAL]
)
Command = Callable[[Session], Job]


def _required_version(job_id: JobId, request: Request, _: Annotated[None, IF_MATCH]) -> int | None:
    return wanted_version(request, job_id)


Version = Annotated[int | None, Depends(_required_version)]


@router.post("/cancel")
def cancel_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Cancel a job that has not ended; repeating the request changes nothing."""

    def command(session: Session) -> Job:
        return JobCommands(session).cancel(job_id, version=version)

    return _run(service, response, command)


@router.post("/pause")
def pause_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Pause a job: a queued job at once, a running job after its current block."""

    def command(session: Session) -> Job:
        return JobCommands(session).pause(job_id, version=version)

    return _run(service, response, command)


@router.post("/resume")
def resume_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Queue a paused job again, to continue after its last finished block."""

    def command(session: Session) -> Job:
        return JobCommands(session).resume(job_id, version=version)

    return _run(service, response, command)


@router.post("/retry")
def retry_job(
    job_id: JobId, service: ServiceDep, version: Version, response: Response
) -> JobDetail:
    """Queue a failed, cancelled or expired job again, to continue after its last finished block."""

    def command(session: Session) -> Job:
        commands, costs = JobCommands(session), CostRepository(session)
        job = commands.retryable(job_id, version=version)
        costs.require_left(job)
        QuotaRepository(session).check_jobs(job.created_by, 1, costs.likely_left(job))
        return commands.retry(job_id, version=version)

    return _run(service, response, command)


@router.patch("")
def describe_job(
    job_id: JobId, service: ServiceDep, version: Version, patch: JobPatch, response: Response
) -> JobDetail:
    """Change a job's name, labels, priority, pin or max_cost; omitted fields stay the same."""

    def command(session: Session) -> Job:
        # Locked: the patch is merged with the present values.
        job = JobRepository(session).get(job_id, locked=True)
        labels = patch.merged_labels(job)
        _check_label_count(labels)
        require_price(job.price, patch.max_cost, job.queue)
        return JobCommands(session).describe(
            job_id,
            name=patch.merged_name(job),
            labels=labels,
            priority=patch.merged_priority(job),
            pinned=patch.merged_pin(job),
            max_cost=patch.merged_max_cost(job),
            version=version,
        )

    return _run(service, response, command)


@router.delete("", status_code=204)
def delete_job(job_id: JobId, service: ServiceDep, version: Version) -> Response:
    """Delete a job that has ended, together with its events, files and idempotency key."""
    with service.sessions.begin() as session:
        JobCommands(session).delete(job_id, version=version)
    try:
        service.store.delete_job(job_id)
    except BucketError as error:  # control deletes files without a job
        logger.warning("the files of job %s are left: %s", job_id, error)
    return Response(status_code=204)


def _run(service: Service, response: Response, command: Command) -> JobDetail:
    """Run a command in one transaction; then enqueue the job if its state is ``queued``.

    A job whose broker message was sent earlier is not enqueued again.
    """
    with service.sessions.begin() as session:
        job = command(session)
        detail = job_detail(session, job)
    if job.status is JobState.queued and job.pushed_at is None:
        enqueue(service, job.id)
    response.headers["etag"] = etag_of(job, detail.queue_position)
    return detail


def _check_label_count(labels: dict[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        error = {"type": "too_long", "loc": ("body", "labels"), "input": labels}
        raise RequestValidationError(
            [
                error
                | {"msg": f"A job may have {MAX_LABELS} labels", "ctx": {"max_length": MAX_LABELS}}
            ]
        )
