"""When the control process was last heard of."""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.tables.heartbeats import Heartbeat

CONTROL = "control"


class HeartbeatRepository:
    """The heartbeats in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(self, name: str = CONTROL) -> None:
        """Note that a part of the service lives."""
        mine = update(Heartbeat).where(Heartbeat.name == name).values(at=now())
        if self._session.scalar(mine.returning(Heartbeat.name)) is None:
            self._session.add(Heartbeat(name=name, at=now()))
            self._session.flush()

    def silence(self, name: str = CONTROL) -> timedelta | None:
        """Return how long ago the part was heard of; None where it never was.

        Less than nothing says that the clock was set back since.
        """
        found = self._session.execute(select(Heartbeat.at, now()).where(Heartbeat.name == name))
        for at, moment in found:
            return moment - at
        return None
