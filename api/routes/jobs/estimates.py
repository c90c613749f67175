"""Routes of estimates: a job's memory use, time and output size."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.core.caller import CallerDep
from api.middleware.writers import run_writer
from api.preflight.estimate_wait import DEFAULT_WAIT_S, raise_problem, wait
from api.preflight.worker_memory import memory_warnings
from api.routes.dependencies import EstimateId, ServiceDep, changes_nothing
from api.routes.preferences import Wait, preferred_wait_s, set_preference_applied
from api.schemas.estimates import EstimatePending, EstimateRead
from api.schemas.fields import QueueName
from api.schemas.requests import JobRequest
from api.services.service import Service
from api.submission.submit import check, find_reusable
from db.core.broker_names import GPU_QUEUE
from db.jobs.estimates import EstimateRepository
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.tables.jobs import Estimate

router = APIRouter(prefix="/v1/estimates", tags=["estimates"])

Prefer = Annotated[
    str | None,
    Header(
        description="`wait=N`: wait up to N seconds for the estimate, at most 60; 8 by default."
    ),
]
Priced = Annotated[QueueName, Query(description="The queue whose price the cost is computed with.")]
PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": EstimatePending, "description": "Not computed yet; GET its `Location`."}
}


@router.post(
    "",
    response_model=EstimateRead,
    responses=PENDING,
    dependencies=[Depends(changes_nothing)],
)
async def estimate_job(
    body: JobRequest,
    service: ServiceDep,
    caller: CallerDep,
    request: Request,
    prefer: Prefer = None,
) -> Response:
    """Estimate a job's memory use, run time and output size.

    An invalid job is refused, as it would be when submitted.
    """
    row, warnings = await run_writer(_request, service, body, caller.key_id)
    set_preference_applied(request, prefer)
    wait_s = preferred_wait_s(prefer, otherwise_s=DEFAULT_WAIT_S)
    return await run_in_threadpool(_wait, service, row, wait_s, warnings, body)


@router.get("/{estimate_id}", response_model=EstimateRead, responses=PENDING)
def get_estimate(
    estimate_id: EstimateId, service: ServiceDep, wait_s: Wait = 0, queue: Priced = GPU_QUEUE
) -> Response:
    """Return an estimate; with ``Prefer: wait=N``, wait up to N seconds for it."""
    with service.sessions() as session:
        row = EstimateRepository(session).get(estimate_id)
    return _response(service, wait(service.sessions, row, wait_s), [], queue)


def _request(service: Service, body: JobRequest, key_id: str | None) -> tuple[Estimate, list[str]]:
    spec = body.spec()
    warnings = check(service, body, spec, key_id).warnings
    with service.sessions.begin() as session:
        return EstimateRepository(session).request(spec, key_id), warnings


def _wait(
    service: Service, row: Estimate, wait_s: float, warnings: list[str], body: JobRequest
) -> Response:
    row = wait(service.sessions, row, wait_s)
    return _response(service, row, warnings, body.queue, body.gate)


def _response(
    service: Service, row: Estimate, warnings: list[str], queue: str, gate: Gate | None = None
) -> Response:
    raise_problem(row)
    query = "" if queue == GPU_QUEUE else f"?queue={queue}"
    location = {"location": f"/v1/estimates/{row.id}{query}"}
    spec = PruneSpec.model_validate(row.spec)
    if row.answer is None:
        pending = EstimatePending(id=row.id, spec=spec).model_dump(mode="json")
        return JSONResponse(pending, 202, headers=location | {"retry-after": "1"})
    price = service.prices.of(queue)
    too_small = memory_warnings(service.sessions, queue, row.answer)
    fitting = None if too_small else queue
    identical = find_reusable(service, spec, gate)
    read = EstimateRead.of(row, [*warnings, *too_small], identical, fitting, price)
    return JSONResponse(read.model_dump(mode="json"), headers=location)
