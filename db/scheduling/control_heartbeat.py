"""The heartbeats of the service's own processes, such as the control process."""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.tables.heartbeats import Heartbeat

CONTROL = "control"


class HeartbeatRepository:
    """Writes and reads heartbeats; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, name: str = CONTROL) -> None:
        """Set a process's heartbeat to the current time."""
        beat = update(Heartbeat).where(Heartbeat.name == name).values(at=now())
        if self._session.scalar(beat.returning(Heartbeat.name)) is None:
            self._session.add(Heartbeat(name=name, at=now()))
            self._session.flush()

    def age(self, name: str = CONTROL) -> timedelta | None:
        """Return the age of a process's heartbeat; None if it never sent one.

        The age is negative if the clock has been set back since the heartbeat.
        """
        rows = self._session.execute(select(Heartbeat.at, now()).where(Heartbeat.name == name))
        for at, moment in rows:
            return moment - at
        return None
