"""The record of what was changed, and by whom."""

from typing import Any, cast

from sqlalchemy import String, func, literal, select, tuple_
from sqlalchemy.orm import Session

from db.core.clock import UTCDateTime
from db.core.sort_key import SortKey
from db.tables.access import AuditEntry


class AuditRepository:
    """The audit in one session, which this never commits; entries are only ever added."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, **fields: Any) -> None:
        """Add an entry; texts longer than their column are cut."""
        columns = AuditEntry.__table__.columns
        for name in ("who", "action", "target", "request_id", "address"):
            fields[name] = fields[name][: cast("String", columns[name].type).length]
        self._session.add(AuditEntry(**fields))
        self._session.flush()

    def page(
        self, *, key_id: str | None = None, limit: int = 50, after: SortKey | None = None
    ) -> list[AuditEntry]:
        """Return entries, newest first, that come after a place in that order."""
        query = select(AuditEntry)
        if key_id is not None:
            query = query.where(AuditEntry.key_id == key_id)
        if after is not None:
            here = tuple_(literal(after.created_at, UTCDateTime()), literal(after.id))
            query = query.where(tuple_(AuditEntry.created_at, AuditEntry.id) < here)
        newest = query.order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())
        return list(self._session.scalars(newest.limit(limit)))

    def count(self) -> int:
        """Return how many entries there are."""
        return self._session.scalar(select(func.count()).select_from(AuditEntry)) or 0
