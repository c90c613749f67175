"""The positions that order the events of all jobs.

Numbers assigned when events are inserted would not suffice. On PostgreSQL, an event may be
committed after an event with a higher number, and a reader that has already read up to the higher
number would miss it. So positions are assigned after the commit, by one transaction at a time.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Select, Table, bindparam, exists, func, select, update
from sqlalchemy.orm import Session

from db.core.session import Sessions
from db.core.states import JobState
from db.tables.jobs import EventCounter, JobEvent
from db.tables.trials import Trial

BATCH_SIZE = 5000


class EventOrder:
    """Assigns positions to events and reads events by position; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def has_unpositioned(self) -> bool:
        """Return whether any event has no position yet; cheap enough to call often."""
        return self._session.connection().scalar(_UNPOSITIONED) is not None

    def assign_positions(self) -> int:
        """Assign positions to up to `BATCH_SIZE` events, and return how many were assigned.

        Only committed events get a position, and concurrent calls wait for each other, so a reader
        that has reached a position has missed no event before it.
        """
        last = self._lock_counter()
        connection = self._session.connection()
        rows = connection.execute(_OLDEST_UNPOSITIONED).all()
        if rows:
            positions = [
                {"of_job": job_id, "of_seq": seq, "new_position": last + 1 + index}
                for index, (job_id, seq) in enumerate(rows)
            ]
            connection.execute(_SET_POSITION, positions)
            connection.execute(_SET_LAST, {"new_last": last + len(rows)})
        return len(rows)

    def assign_all_positions(self) -> int:
        """Assign positions to all committed events, and return the highest position.

        Events that are committed later get higher positions. Until this transaction ends, no other
        transaction can assign positions.
        """
        while self.assign_positions():
            pass
        return self.last_position()

    def last_position(self) -> int:
        """Return the highest position assigned so far."""
        return self._session.connection().scalar(_LAST) or 0

    def pruned_position(self) -> int:
        """Return the position up to which events of old jobs may have been deleted."""
        return self._session.scalar(select(EventCounter.deleted_to)) or 0

    def events_after(
        self,
        after: int,
        limit: int,
        *,
        kinds: Sequence[str] = (),
        statuses: Sequence[JobState] = (),
    ) -> list[JobEvent]:
        """Return events after a position, in order; empty ``kinds`` or ``statuses`` match all.

        Those of jobs that answer trials are left out, as these jobs are from all lists.
        """
        of_trial = exists().where(Trial.job_id == JobEvent.job_id)
        query = select(JobEvent).where(JobEvent.position > after, ~of_trial)
        if kinds:
            query = query.where(JobEvent.kind.in_(kinds))
        if statuses:
            query = query.where(JobEvent.status.in_(statuses))
        return list(self._session.scalars(query.order_by(JobEvent.position).limit(limit)))

    def _lock_counter(self) -> int:
        """Lock the counter until the transaction ends, and return the last position."""
        last: int = self._session.connection().execute(_LOCK).scalar_one()
        return last


def order_events(sessions: Sessions) -> None:
    """Assign positions to up to `BATCH_SIZE` events that have none, and commit."""
    with sessions() as session:
        if not EventOrder(session).has_unpositioned():
            return
    with sessions.begin() as session:
        EventOrder(session).assign_positions()


_EVENTS = cast("Table", JobEvent.__table__)
_COUNTER = cast("Table", EventCounter.__table__)
_LAST: Select[int] = select(EventCounter.last_position)
_LOCK = update(_COUNTER).values(last=_COUNTER.c.last).returning(_COUNTER.c.last)
_SET_LAST = update(_COUNTER).values(last=bindparam("new_last"))
_UNPOSITIONED = select(JobEvent.seq).where(JobEvent.position.is_(None)).limit(1)
# The running maximum keeps the order of a job's events when the clock is set back.
_MOMENT = func.max(JobEvent.at).over(partition_by=JobEvent.job_id, order_by=JobEvent.seq)
_OLDEST_UNPOSITIONED = (
    select(JobEvent.job_id, JobEvent.seq)
    .where(JobEvent.position.is_(None))
    .order_by(_MOMENT, "job_id", "seq")
    .limit(BATCH_SIZE)
)
_SET_POSITION = (
    update(_EVENTS)
    .where(_EVENTS.c.job_id == bindparam("of_job"), _EVENTS.c.seq == bindparam("of_seq"))
    .values(position=bindparam("new_position"))
)
