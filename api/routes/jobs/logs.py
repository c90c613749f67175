"""The route of a job's log lines."""

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from api.routes.dependencies import JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.fields import RequestModel
from api.schemas.history import LogLineRead
from api.schemas.pages import Page
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.events.logs import LogRepository
from db.jobs.repository import JobRepository

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], dependencies=[OWN_TRIAL])

LARGEST = 2**31 - 1
Level = Literal["debug", "info", "warning", "error", "critical"]
TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The lines, as JSON or as text.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


class LogQuery(RequestModel):
    """The query parameters for listing log lines."""

    attempt: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="Only lines of this attempt.")
    ] = None
    level: Annotated[Level, Query(description="The lowest level.")] = "debug"
    after: Annotated[
        str,
        Query(
            pattern=r"^\d{1,9}\.\d{1,9}$", description="Only lines after the one with this `id`."
        ),
    ] = "0.0"
    tail: Annotated[
        int | None,
        Query(ge=1, le=1000, description="Only the last lines, this many; `after` is ignored."),
    ] = None
    limit: Annotated[int, Query(ge=1, le=1000, description="The largest number of items.")] = 500

    def last_read(self) -> tuple[int, int]:
        """Return the attempt and the line number that ``after`` names."""
        attempt, seq = self.after.split(".")
        return int(attempt), int(seq)


@router.get("/logs", responses=TEXT, response_model=Page[LogLineRead])
def list_log_lines(
    job_id: JobId,
    service: ServiceDep,
    request: Request,
    response: Response,
    query: Annotated[LogQuery, Query()],
) -> Page[LogLineRead] | PlainTextResponse:
    """List the log lines of a job's attempts, oldest first; as text with ``Accept: text/plain``."""
    filters: dict[str, Any] = {"attempt": query.attempt, "level": query.level.upper()}
    with service.sessions() as session:
        JobRepository(session).get(job_id)
        if query.tail is None:
            lines = LogRepository(session).lines(
                job_id, **filters, after=query.last_read(), limit=query.limit + 1
            )
        else:
            lines = LogRepository(session).tail(job_id, **filters, limit=query.tail)
    data, next_cursor = paginate(
        [LogLineRead.of(line) for line in lines], query.tail or query.limit, lambda line: line.id
    )
    headers = {"vary": "accept"}
    if next_cursor is not None:
        given = query.model_dump(exclude_defaults=True) | {"after": next_cursor}
        headers["link"] = next_link(f"/v1/jobs/{job_id}/logs", given)
    if _wants_text(request):
        return PlainTextResponse("".join(line.text() for line in data), headers=headers)
    response.headers.update(headers)
    return Page(data=data, next_cursor=next_cursor)


def _wants_text(request: Request) -> bool:
    return bool(re.match(r"\s*text/plain\b", request.headers.get("accept", "")))
