"""Messages to webhooks, made from the events of jobs."""

from typing import Any

from sqlalchemy import select

from db.core.session import Sessions
from db.events.event_order import order_events
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job
from db.tables.webhooks import Delivery
from db.webhooks.fanout import fan_out


def succeed(sessions: Sessions, job: Job, result: dict[str, Any] | None = None) -> None:
    with sessions.begin() as session:
        claimed = ClaimRepository(session).claim(job.id, "worker")
        assert claimed is not None
        LeaseRepository(session).succeed(job.id, claimed.attempt, result or {"sparsity": 0.5}, [])


def make_deliveries(sessions: Sessions) -> int:
    order_events(sessions)
    return fan_out(sessions)


def deliveries(sessions: Sessions) -> list[Delivery]:
    with sessions() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))
