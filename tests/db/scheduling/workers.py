"""Workers that have registered, and their silence."""

from datetime import timedelta

from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker
from tests.factories import make_worker


def appear(sessions: Sessions, *names: str) -> None:
    with sessions.begin() as session:
        for name in names:
            WorkerRepository(session).register(make_worker(name))


def silent_for(sessions: Sessions, name: str, ago: timedelta) -> None:
    with sessions.begin() as session:
        session.execute(update(Worker).where(Worker.name == name).values(heartbeat_at=now(-ago)))


def states(sessions: Sessions) -> dict[str, str]:
    with sessions() as session:
        return {one.worker.name: one.state for one in WorkerRepository(session).all()}
