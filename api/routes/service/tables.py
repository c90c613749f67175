"""Routes that return lists as CSV."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.routes.dependencies import ServiceDep
from api.routes.integrations.triggers import list_triggers
from api.routes.integrations.webhooks import list_webhooks
from api.routes.jobs.sweeps import SweepQuery, list_sweeps
from api.routes.service.use import get_use
from api.routes.service.workers import list_workers
from api.schemas.jobs import JobRead
from api.schemas.sweeps import SweepSummary
from api.schemas.use import PeriodUseRead, UseQuery, UseRow
from api.services.job_pages import cursors_of, found_jobs
from api.services.service import Service
from api.web.csv_table import csv_response
from api.web.cursors import paginate
from api.web.list_queries import JobQuery, JobTableQuery
from db.jobs.repository import JobRepository

ROWS_AT_ONCE = 200
CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for each row.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}

router = APIRouter(
    prefix="/v1", tags=["tables"], default_response_class=StreamingResponse, responses=CSV
)


def _within(group: str, *names: str) -> dict[str, str]:
    """Return columns for members of a group; without one, for the fields of a row."""
    return {name: f"{group}.{name}" if group else name for name in names}


JOB = {
    **_within("", "id", "name", "status", "verdict", "created_by", "labels"),
    **_within("spec", "model", "dataset", "method", "sparsity", "ratio", "pattern"),
    **_within("", "reduction", "accuracy", "speed", "seconds", "size_bytes"),
    **_within("result", "dense_perplexity", "pruned_perplexity", "perplexity_ratio"),
    **_within("result", "parameters", "parameters_removed", "weights_bytes", "prune_seconds"),
    **_within("", "sweep_id", "worker", "device", "created_at", "started_at", "finished_at"),
    "error": "error.title",
}
SWEEP = _within("", "id", "name", "model", "labels", "total", "counts", "is_final", "created_at")
WORKER = {
    **_within("", "id", "name", "hostname", "state", "queues", "device", "memory_bytes", "load"),
    **_within("", "version", "job_id", "draining", "started_at", "heartbeat_at"),
}
WEBHOOK = {
    **_within("", "id", "url", "description", "events", "enabled", "disabled_reason"),
    **_within("", "undelivered", "created_at", "created_by"),
}
TRIGGER = _within("", "id", "name", "source", "job", "filter", "map", "created_at", "created_by")
USE = {
    **_within("", "by", "name", "jobs", "succeeded", "failed", "worker_hours", "worker_seconds"),
    **_within("", "cost"),
}


@router.get("/jobs.csv")
def export_jobs(service: ServiceDep, query: Annotated[JobTableQuery, Query()]) -> StreamingResponse:
    """Return all jobs of a list as CSV: with its filters, in its order."""
    return csv_response("jobs", JOB, _jobs(service, query))


def _jobs(service: Service, query: JobTableQuery) -> Iterator[JobRead]:
    """Read page by page, each in a session of its own, so that a slow client holds none."""
    given, cursor = query.model_dump(exclude_unset=True), None
    while True:
        wanted = JobQuery.model_validate(given | {"limit": ROWS_AT_ONCE, "cursor": cursor})
        with service.sessions() as session:
            rows = found_jobs(JobRepository(session), wanted.job_filter(), wanted)
        page, cursor = paginate(rows, ROWS_AT_ONCE, cursors_of(wanted))
        yield from map(JobRead.of, page)
        if cursor is None:
            return


@router.get("/sweeps.csv")
def export_sweeps(service: ServiceDep) -> StreamingResponse:
    """Return all sweeps as CSV, newest first."""
    return csv_response("sweeps", SWEEP, _sweeps(service))


def _sweeps(service: Service) -> Iterator[SweepSummary]:
    cursor = None
    while True:
        query = SweepQuery(limit=ROWS_AT_ONCE, cursor=cursor)
        page = list_sweeps(service, Response(), query)
        yield from page.data
        if (cursor := page.next_cursor) is None:
            return


@router.get("/workers.csv")
def export_workers(service: ServiceDep) -> StreamingResponse:
    """Return the workers as CSV."""
    return csv_response("workers", WORKER, list_workers(service).data)


@router.get("/webhooks.csv")
def export_webhooks(service: ServiceDep) -> StreamingResponse:
    """Return all webhooks as CSV, without their secrets."""
    return csv_response("webhooks", WEBHOOK, list_webhooks(service).data)


@router.get("/triggers.csv")
def export_triggers(service: ServiceDep) -> StreamingResponse:
    """Return all triggers as CSV, without their secrets."""
    return csv_response("triggers", TRIGGER, list_triggers(service).data)


@router.get("/use.csv")
def export_use(service: ServiceDep, query: Annotated[UseQuery, Query()]) -> StreamingResponse:
    """Return the jobs, hours and costs of a period as CSV, by method, key and label."""
    return csv_response("use", USE, _use_rows(get_use(service, query)))


class UseLine(UseRow):
    """A row of the use, and by what it was counted."""

    by: str


def _use_rows(use: PeriodUseRead) -> Iterator[UseLine]:
    groups = {"all": [use.total], "method": use.methods, "key": use.keys, "label": use.labels}
    for by, rows in groups.items():
        yield from (UseLine(by=by, **row.model_dump()) for row in rows)
