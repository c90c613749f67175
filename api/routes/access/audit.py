"""Routes of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from api.routes.dependencies import ServiceDep
from api.schemas.fields import RequestModel
from api.schemas.keys import AuditRead
from api.schemas.pages import Page
from api.web.cursors import cursor_for, cursor_of, paginate, place_of
from api.web.pagination import next_link
from db.access.audit import AuditRepository
from db.core.ids import id_pattern

router = APIRouter(prefix="/v1/audit", tags=["access"])

Cursor = Annotated[str, StringConstraints(max_length=200), cursor_for("aud")]


class AuditQuery(RequestModel):
    """The query parameters of the audit log."""

    key: str | None = Field(
        default=None, pattern=f"^{id_pattern('key')}$", description="Only requests with this key."
    )
    limit: int = Field(default=50, ge=1, le=200, description="The largest number of items.")
    cursor: Cursor | None = Field(
        default=None, description="The `next_cursor` of the previous page."
    )


@router.get("")
def list_audit(
    service: ServiceDep, response: Response, query: Annotated[AuditQuery, Query()]
) -> Page[AuditRead]:
    """List the requests that changed something or tried to, newest first.

    Uses of secrets and deletions by retention rules are listed, too. These are not: requests that
    only read or check something, calls to triggers, and requests that failed authentication,
    exceeded the rate limit or got the status 503.
    """
    after = None if query.cursor is None else place_of(query.cursor, "aud")
    with service.sessions() as session:
        entries = AuditRepository(session).page(
            key_id=query.key, limit=query.limit + 1, after=after
        )
    page, next_cursor = paginate(entries, query.limit, cursor_of)
    if next_cursor is not None:
        given = {"key": query.key, "limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_link("/v1/audit", given)
    return Page(data=[AuditRead.of(entry) for entry in page], next_cursor=next_cursor)
