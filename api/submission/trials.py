"""Submitting a trial: check the finished job and its model, write the trial, enqueue its job."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse

from api.core.caller import Caller
from api.schemas.trials import TrialRead
from api.services.service import Service
from api.submission.idempotency import (
    OVERTAKEN,
    REPLAYED,
    KeyedRequest,
    is_repetition,
    store_response,
    stored_response,
)
from api.submission.submit import enqueue
from db.core.errors import (
    ArtifactDamagedError,
    ArtifactDeletedError,
    JobNotFoundError,
    NoArtifactsError,
)
from db.core.states import JobState
from db.files.artifacts import ArtifactRepository
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository, trial_spec
from db.scheduling.queues import QueueRepository
from db.spec.trials import TrialRequest
from db.startup.tracing import traceparent
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import Job


def submit_trial(
    service: Service, job_id: str, body: TrialRequest, keyed: KeyedRequest, caller: Caller
) -> JSONResponse:
    """Create a trial of a finished job; repeat the first response to an idempotency key.

    Raises:
        JobNotFoundError: there is no such job, or it was submitted with another key.
        NoArtifactsError, ArtifactDeletedError, ArtifactDamagedError: the job has no model to try.
        SpecRefusedError: the dense model does not exist any longer.
        NoTrialsError: the service takes none.
        QuotaExceededError, TooManyTrialsError: the key may submit no more trials now.
    """
    if (first := stored_response(service, keyed)) is not None:
        return _response(first.body, REPLAYED)
    with service.sessions() as session:
        tried = own_job(JobRepository(session).get(job_id), caller)
        _check_files(tried, ArtifactRepository(session).of_job(job_id))
    service.preflight.check(trial_spec(tried.spec), caller.key_id)
    try:
        created = _create(service, job_id, body, keyed)
    except OVERTAKEN as error:
        if not is_repetition(service, keyed, error):
            raise
        return submit_trial(service, job_id, body, keyed, caller)
    enqueue(service, str(created["id"]))
    return _response(created)


def own_job(job: Job, caller: Caller) -> Job:
    """Return a job that the caller may try: an admin any, and a key the jobs submitted with it.

    A trial shows what a model says, and loads the dense model with the key's secrets.

    Raises:
        JobNotFoundError: the job was submitted with another key.
    """
    if not caller.owns(job.created_by):
        raise JobNotFoundError(job.id)
    return job


def _check_files(job: Job, artifacts: list[Artifact]) -> None:
    if job.status is not JobState.succeeded or not artifacts:
        raise NoArtifactsError(job.id, job.status)
    for artifact in artifacts:
        if artifact.deleted_by is not None and artifact.deleted_at is not None:
            raise ArtifactDeletedError(
                artifact.id, artifact.name, artifact.deleted_by, artifact.deleted_at
            )
        if artifact.damage is not None:
            raise ArtifactDamagedError(artifact.id, artifact.name, artifact.damage)


def _create(service: Service, job_id: str, body: TrialRequest, keyed: KeyedRequest) -> Document:
    with service.sessions.begin() as session:
        tried = JobRepository(session).get(job_id)
        trial, job = TrialRepository(session).add(
            tried,
            body,
            service.max_trials,
            created_by=keyed.created_by,
            price=service.prices.of(tried.queue),
            traceparent=traceparent(),
        )
        position = QueueRepository(session).near_position(job)
        created: Document = TrialRead.of(trial, job, position).model_dump(mode="json")
        store_response(session, keyed, job.id, 201, created)
    return created


def _response(body: Document, headers: Mapping[str, str] | None = None) -> JSONResponse:
    location = {"location": f"/v1/jobs/{body['job_id']}/trials/{body['id']}"}
    return JSONResponse(body, 201, headers=location | dict(headers or {}))
