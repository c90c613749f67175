"""One order of the events of all jobs.

A number drawn when an event is written says nothing about when it can be read: on PostgreSQL a
transaction that drew an earlier one may commit later, and a reader who has passed it never looks
back. So an event is given its place afterwards, when everybody can read it, by one at a time.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.orm import Session

from db.core.session import Sessions
from db.core.states import JobState
from db.tables.jobs import EventCounter, JobEvent

PLACED_AT_ONCE = 5000


class EventOrder:
    """The events of all jobs in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def has_unplaced(self) -> bool:
        """Whether some event has no place yet; cheap enough to ask all the time."""
        query = select(JobEvent.seq).where(JobEvent.position.is_(None)).limit(1)
        return self._session.scalar(query) is not None

    def place_events(self) -> int:
        """Give events their places, and return to how many; of two that try, one waits.

        Only what is committed gets a place, and places are committed one lot after the other, so
        who has read up to one has missed none.
        """
        last = self._take_turn()
        # A clock that was set back must not turn the order of one job's events around.
        moment = func.max(JobEvent.at).over(partition_by=JobEvent.job_id, order_by=JobEvent.seq)
        waiting = select(JobEvent.job_id, JobEvent.seq).where(JobEvent.position.is_(None))
        first = waiting.order_by(moment, "job_id", "seq").limit(PLACED_AT_ONCE)
        rows = self._session.execute(first).all()
        if rows:
            places = [
                {"of_job": job_id, "of_seq": seq, "place": last + 1 + index}
                for index, (job_id, seq) in enumerate(rows)
            ]
            self._session.connection().execute(_PLACE, places)
            self._session.execute(update(EventCounter).values(last=last + len(rows)))
        return len(rows)

    def place_all(self) -> int:
        """Give every event that everybody can read its place, and return the highest one.

        What happens from now on has a higher one; nobody else gives places in this transaction.
        """
        while self.place_events():
            pass
        return self.last_position()

    def last_position(self) -> int:
        """Return the highest place that any event has been given."""
        return self._session.scalar(select(EventCounter.last)) or 0

    def pruned_position(self) -> int:
        """Return up to which place details of jobs that ended long ago may be missing."""
        return self._session.scalar(select(EventCounter.pruned)) or 0

    def all_events(
        self,
        after: int,
        limit: int,
        *,
        kinds: Sequence[str] = (),
        statuses: Sequence[JobState] = (),
    ) -> list[JobEvent]:
        """Return events of all jobs behind a place, in order; filters that are empty keep all."""
        query = select(JobEvent).where(JobEvent.position > after)
        if kinds:
            query = query.where(JobEvent.kind.in_(kinds))
        if statuses:
            query = query.where(JobEvent.status.in_(statuses))
        return list(self._session.scalars(query.order_by(JobEvent.position).limit(limit)))

    def _take_turn(self) -> int:
        """Lock the counter, and return it as the one before has left it."""
        mine = update(EventCounter).values(last=EventCounter.last).returning(EventCounter.last)
        return self._session.execute(mine).scalar_one()


def order_events(sessions: Sessions) -> None:
    """Give places to the events that have none."""
    with sessions() as session:
        if not EventOrder(session).has_unplaced():
            return
    with sessions.begin() as session:
        EventOrder(session).place_events()


_EVENTS = cast("Table", JobEvent.__table__)
_PLACE = (
    update(_EVENTS)
    .where(_EVENTS.c.job_id == bindparam("of_job"), _EVENTS.c.seq == bindparam("of_seq"))
    .values(position=bindparam("place"))
)
