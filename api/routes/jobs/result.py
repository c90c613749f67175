"""Routes of a job's result; the HTTP status shows whether the job succeeded."""

import json
from collections.abc import Collection
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.core.problem_response import ProblemError
from api.core.unchecked import present_warnings
from api.routes.dependencies import IF_NONE_MATCH, JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.artifacts import ArtifactRead, JobResult
from api.schemas.history import Cost
from api.schemas.jobs import JobDetail
from api.services.job_details import job_detail
from api.services.service import Service
from api.web.conditional import etag_of, is_not_modified
from db.core.escaping import escape_surrogates
from db.core.problem import FieldProblem
from db.core.states import JobState
from db.files.artifacts import ArtifactRepository
from db.jobs.repository import JobRepository
from db.problems.resources import GATE_FAILED, NO_SUCH_FILE, NOT_SUCCEEDED, UNFINISHED
from db.spec.quality_gate import Gate, Verdict, gate_failures
from db.tables.artifacts import Artifact
from db.tables.jobs import Job

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], dependencies=[OWN_TRIAL])

RETRY_AFTER = {"retry-after": "5"}
Pending = Annotated[
    Literal["202", "404", "503"],
    Query(description="The status while the job is unfinished; for clients that cannot use 202."),
]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The client already has this version."}
}
Only = Annotated[
    tuple[str, ...], Query(max_length=16, description="Only these members, such as `generation`.")
]
RESULT_RESPONSES = NOT_MODIFIED | {
    202: {
        "model": JobDetail,
        "description": "The job is unfinished; repeat the request after `Retry-After`.",
    }
}


@router.get(
    "/result", dependencies=[IF_NONE_MATCH], responses=RESULT_RESPONSES, response_model=JobResult
)
def get_result(
    job_id: JobId, service: ServiceDep, request: Request, pending: Pending = "202"
) -> Response:
    """Return a job's metrics and files.

    The HTTP status is 200 if the job has succeeded and has not failed its gate. It is 424 if the
    job has failed its gate, or has ended without success. While the job is unfinished, the HTTP
    status is the value of ``pending``, by default 202.
    """
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
        artifacts = ArtifactRepository(session).of_job(job_id)
        detail = job_detail(session, job)
    if pending == "202" and not job.status.is_final:
        return JSONResponse(detail.model_dump(mode="json"), 202, headers=RETRY_AFTER)
    _require_success(job, pending)
    if job.verdict is Verdict.failed:
        raise _gate_failed(job)
    result = JSONResponse(_result(job, artifacts, detail.cost).model_dump(mode="json"))
    return _unless_not_modified(request, etag_of(job), result)


@router.get(
    "/metrics", dependencies=[IF_NONE_MATCH], responses=NOT_MODIFIED, response_model=dict[str, Any]
)
def get_job_metrics(job_id: JobId, service: ServiceDep, request: Request) -> Response:
    """Return the metrics of a job that has succeeded, even if it failed its gate."""
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
    _require_success(job)
    return _unless_not_modified(request, etag_of(job), JSONResponse(job.result or {}))


@router.get(
    "/manifest", dependencies=[IF_NONE_MATCH], responses=NOT_MODIFIED, response_model=dict[str, Any]
)
def get_manifest(job_id: JobId, service: ServiceDep, request: Request, only: Only = ()) -> Response:
    """Return the ``report.json`` of a job that has succeeded; it says how the files were made."""
    return _json_file(job_id, "report.json", service, request, only)


@router.get(
    "/provenance",
    dependencies=[IF_NONE_MATCH],
    responses=NOT_MODIFIED,
    response_model=dict[str, Any],
)
def get_provenance(job_id: JobId, service: ServiceDep, request: Request) -> Response:
    """Return the ``provenance.json`` of a job that has succeeded.

    It is an in-toto statement: the digests of the job's files, and of all that they were made from.
    """
    return _json_file(job_id, "provenance.json", service, request)


def _json_file(
    job_id: str, name: str, service: Service, request: Request, only: Collection[str] = ()
) -> Response:
    """Return a file of a job that has succeeded, if the job has the file and it is intact.

    If ``only`` names members of the file's object, return those that it has.
    """
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
        artifacts = ArtifactRepository(session).of_job(job_id)
    _require_success(job)
    file = next((artifact for artifact in artifacts if artifact.name == name), None)
    if file is None:
        raise ProblemError(NO_SUCH_FILE.problem(f"Job {job_id} has no {name}."))
    content = service.checks.require_in_thread(file).content()
    if only:
        members = json.loads(content).items()
        content = json.dumps({name: value for name, value in members if name in only}).encode()
    response = Response(content, media_type="application/json")
    return _unless_not_modified(request, f'"{file.sha256}"', response)


def _result(job: Job, artifacts: list[Artifact], cost: Cost | None) -> JobResult:
    return JobResult(
        job_id=job.id,
        metrics=job.result or {},
        warnings=present_warnings(job),
        cost=cost,
        artifacts=[ArtifactRead.of(artifact) for artifact in artifacts],
        archive=f"/v1/jobs/{job.id}/archive",
    )


def _unless_not_modified(request: Request, etag: str, response: Response) -> Response:
    if is_not_modified(request, etag):
        response = Response(status_code=304)
    response.headers["etag"] = etag
    return response


def _require_success(job: Job, pending: str = "404") -> None:
    if not job.status.is_final:
        detail = f"Job {job.id} is {job.status}."
        raise ProblemError(UNFINISHED.problem(detail, status=int(pending)), RETRY_AFTER)
    if job.status is not JobState.succeeded:
        raise _not_succeeded(job)


def _not_succeeded(job: Job) -> ProblemError:
    """Return the error for a job that has ended without success.

    If the job stores an error of its own, the detail and hint of that error are included.
    """
    detail, error = f"Job {job.id} is {job.status}.", job.error or {}
    if error:
        detail += f" {error['detail']}"
    return ProblemError(NOT_SUCCEEDED.problem(escape_surrogates(detail), hint=error.get("hint")))


def _gate_failed(job: Job) -> ProblemError:
    """Return the error for a failed gate, with a field problem for each bound that was not met."""
    failures = gate_failures(Gate.model_validate(job.gate), job.result or {})
    errors = [
        FieldProblem(
            pointer=f"/gate/{failure.bound}/{failure.metric}",
            code="out_of_bounds",
            detail=f"{failure}.",
        )
        for failure in failures
    ]
    detail = f"Job {job.id} did not pass its gate: {'; '.join(map(str, failures))}."
    return ProblemError(GATE_FAILED.problem(detail, errors=errors))
