"""Routes of sweeps."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from api.core.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.preflight.planner_client import PlannerAnswers
from api.routes.dependencies import DryRun, IdempotencyKey, SentJson, ServiceDep, SweepId
from api.schemas.fields import RequestModel
from api.schemas.sweep_request import SweepRequest
from api.schemas.sweeps import PointPreview, SweepPage, SweepPreview, SweepRead, SweepSummary
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
from api.submission.submit import Submission, logged_database_errors, new_job, publish
from api.submission.sweep_checks import check_points, undecided
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.core.ids import id_pattern
from db.jobs.repository import NewJob
from db.jobs.sweeps import Point, SweepRepository
from db.tables.jobs import Sweep

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"], route_class=WritingRoute)


class SweepQuery(RequestModel):
    """The query parameters for listing sweeps."""

    limit: int = Field(default=50, ge=1, le=200, description="The largest number of items.")
    cursor: str | None = Field(
        default=None,
        pattern=f"^{id_pattern('swp')}$",
        description="The `next_cursor` of the previous page.",
    )


@router.post(
    "",
    status_code=201,
    response_model=SweepRead,
    responses={200: {"model": SweepPreview, "description": "A dry run's preview."}},
)
def submit_sweep(
    body: SweepRequest,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    sent: SentJson,
    dry_run: DryRun,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a sweep: either all of its jobs are created, or none."""
    points = body.points()  # first: this validates the varied values
    keyed = KeyedRequest(request.url.path, body, idempotency_key, caller.key_id, sent)
    if not dry_run and (first := stored_response(service, keyed)) is not None:
        return _response(first.status, first.body, REPLAYED)
    sources = check_points(service, body, points, caller.key_id)
    costs = CostCheck.of(service, body, caller.key_id)
    asked = [point.spec for point in points] if costs.is_needed else undecided(points, sources)
    answers = service.planner.check(asked, caller.key_id)
    warnings = sources.warnings + answers.warnings
    if costs.is_needed:
        points = _with_costs(points, costs, answers)
        if any(point.likely_cost is None for point in points):
            warnings = [*warnings, UNESTIMATED]
    common = new_job(Submission(body, keyed), points[0].spec, CheckedJob(warnings, costs.price))
    if dry_run:
        with service.sessions() as session:
            SweepRepository(session).check_quotas(points, common)
        return JSONResponse(_preview(body, points, warnings).model_dump(mode="json"))
    try:
        sweep_id, created = _create(service, keyed, points, common, body.max_parallel)
    except OVERTAKEN as error:
        if not is_repetition(service, keyed, error):
            raise
        return submit_sweep(body, service, request, caller, sent, dry_run, idempotency_key)
    _enqueue(service, sweep_id)
    return _response(201, created)


@router.get("")
def list_sweeps(
    service: ServiceDep, response: Response, query: Annotated[SweepQuery, Query()]
) -> SweepPage:
    """List sweeps, newest first."""
    with service.sessions() as session:
        sweeps = SweepRepository(session)
        rows = sweeps.page(limit=query.limit + 1, after=query.cursor)
        page, next_cursor = paginate(rows, query.limit, lambda sweep: sweep.id)
        ids = [sweep.id for sweep in page]
        counts, models = sweeps.counts(ids), sweeps.models(ids)
    if next_cursor is not None:
        query_args = {"limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_link("/v1/sweeps", query_args)
    data = [SweepSummary.of(sweep, counts[sweep.id], models.get(sweep.id)) for sweep in page]
    return SweepPage(data=data, next_cursor=next_cursor)


@router.get("/{sweep_id}")
def get_sweep(sweep_id: SweepId, service: ServiceDep) -> SweepRead:
    """Return one sweep, its points, and the Pareto front of sparsity and perplexity."""
    with service.sessions() as session:
        sweeps = SweepRepository(session)
        return _read(sweeps, sweeps.get(sweep_id))


@router.post("/{sweep_id}/cancel")
def cancel_sweep(sweep_id: SweepId, service: ServiceDep) -> SweepRead:
    """Cancel all points that have not ended; repeating the request changes nothing."""
    with service.sessions.begin() as session:
        sweeps = SweepRepository(session)
        return _read(sweeps, sweeps.cancel(sweep_id))


def _create(
    service: Service,
    keyed: KeyedRequest,
    points: list[Point],
    common: NewJob,
    max_parallel: int | None,
) -> tuple[str, dict[str, Any]]:
    """Write the sweep, its jobs and the stored response in one transaction."""
    with service.sessions.begin() as session:
        sweeps = SweepRepository(session)
        sweep = sweeps.add(points, common, max_parallel=max_parallel)
        created = _read(sweeps, sweep)
        response = created.model_dump(mode="json")
        # The stored response is deleted with the first point.
        store_response(session, keyed, created.points[0].job_id, 201, response)
    return sweep.id, response


def _with_costs(points: list[Point], costs: CostCheck, answers: PlannerAnswers) -> list[Point]:
    return [
        replace(point, likely_cost=costs.likely_cost(estimate))
        for point, estimate in zip(points, answers.estimates, strict=True)
    ]


def _enqueue(service: Service, sweep_id: str) -> None:
    with logged_database_errors():
        with service.sessions() as session:
            waiting = SweepRepository(session).runnable(sweep_id)
        for job_id in waiting:
            publish(service, job_id)


def _read(sweeps: SweepRepository, sweep: Sweep) -> SweepRead:
    return SweepRead.with_points(sweep, sweeps.jobs(sweep.id))


def _preview(body: SweepRequest, points: list[Point], warnings: list[str]) -> SweepPreview:
    return SweepPreview(
        name=body.name,
        labels=dict(body.labels),
        max_parallel=body.max_parallel,
        gate=body.gate,
        total=len(points),
        points=[PointPreview.of(point) for point in points],
        warnings=warnings,
    )


def _response(
    status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    location = {"location": body["links"]["self"]}
    return JSONResponse(body, status, headers=location | dict(headers or {}))
