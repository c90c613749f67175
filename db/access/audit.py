"""The audit log: every request that changes something, and the key it came with."""

from typing import Any, cast

from sqlalchemy import String, func, literal, select, tuple_
from sqlalchemy.orm import Session

from db.core.clock import UTCDateTime
from db.core.sort_key import SortKey
from db.tables.access import AuditEntry


class AuditRepository:
    """Adds and reads audit entries; never changes an entry, and never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, **fields: Any) -> None:
        """Add an entry; cut texts that are longer than their column."""
        columns = AuditEntry.__table__.columns
        for name in ("who", "action", "target", "request_id", "address"):
            fields[name] = fields[name][: cast("String", columns[name].type).length]
        self._session.add(AuditEntry(**fields))
        self._session.flush()

    def page(
        self, *, key_id: str | None = None, limit: int = 50, after: SortKey | None = None
    ) -> list[AuditEntry]:
        """Return a page of entries, newest first; it starts after the sort key `after`."""
        query = select(AuditEntry)
        if key_id is not None:
            query = query.where(AuditEntry.key_id == key_id)
        if after is not None:
            start = tuple_(literal(after.created_at, UTCDateTime()), literal(after.id))
            query = query.where(tuple_(AuditEntry.created_at, AuditEntry.id) < start)
        newest = query.order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())
        return list(self._session.scalars(newest.limit(limit)))

    def count(self) -> int:
        return self._session.scalar(select(func.count()).select_from(AuditEntry)) or 0
