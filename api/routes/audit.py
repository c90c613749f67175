"""The audit: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from api.cursors import NotACursorError, cursor_of, place_of
from api.deps import ServiceDep
from api.links import next_page
from api.schemas.keys import AuditRead
from api.schemas.pages import Page
from db.audit import AuditRepository
from db.ids import id_pattern
from db.listing import Place

router = APIRouter(prefix="/v1/audit", tags=["access"])


def _check_cursor(cursor: str) -> str:
    try:
        place_of(cursor, "aud")
    except NotACursorError:
        raise PydanticCustomError("cursor", "Input should be a next_cursor of this list") from None
    return cursor


class AuditQuery(BaseModel):
    """The parameters of the audit."""

    model_config = ConfigDict(extra="forbid")

    key: str | None = Field(
        default=None, pattern=f"^{id_pattern('key')}$", description="What was done with this key."
    )
    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: (
        Annotated[str, StringConstraints(max_length=200), AfterValidator(_check_cursor)] | None
    ) = Field(default=None, description="A `next_cursor`.")


@router.get("")
def list_audit(
    service: ServiceDep, response: Response, query: Annotated[AuditQuery, Query()]
) -> Page[AuditRead]:
    """List what was changed or refused, newest first."""
    after = None if query.cursor is None else place_of(query.cursor, "aud")
    with service.sessions() as session:
        found = AuditRepository(session).page(key_id=query.key, limit=query.limit + 1, after=after)
    page, next_cursor = found[: query.limit], None
    if len(found) > query.limit:
        next_cursor = cursor_of(Place(page[-1].created_at, page[-1].id))
        given = {"key": query.key, "limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_page("/v1/audit", given)
    data = [AuditRead.of(entry) for entry in page]
    return Page(data=data, next_cursor=next_cursor, has_more=next_cursor is not None)
