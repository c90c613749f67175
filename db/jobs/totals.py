"""Figures about everything there is, each from one walk along an index."""

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import HELD, JobState
from db.scheduling.crashes import lost
from db.scheduling.queues import QueueDepth, QueueRepository
from db.scheduling.workers import WorkerRepository, WorkerStatus
from db.tables.jobs import Artifact, BlockReport, Job
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook


@dataclass(frozen=True)
class Kind:
    """The jobs of one status and method.

    Attributes:
        attempts: how often they were taken by a worker.
        crashes: how often that worker was lost.
    """

    status: JobState
    method: str
    jobs: int
    attempts: int
    crashes: int


@dataclass(frozen=True)
class Pace:
    """How running jobs of one method get on.

    Attributes:
        blocks: blocks done in their present attempts.
        seconds: the time these took.
    """

    method: str
    jobs: int
    blocks: int
    seconds: float


@dataclass(frozen=True)
class Outgoing:
    """What is on its way to webhooks, or was given up.

    Attributes:
        overdue_s: how long ago the delivery that is due longest should have gone out.
    """

    pending: int = 0
    failed: int = 0
    overdue_s: float = 0.0


@dataclass(frozen=True)
class Census:
    """All figures at one moment.

    Attributes:
        expired_leases: jobs whose worker fell silent and which nobody has taken back yet.
    """

    kinds: list[Kind]
    queues: dict[str, QueueDepth]
    paces: list[Pace]
    expired_leases: int
    artifact_bytes: int
    artifacts: int
    workers: list[WorkerStatus]
    outgoing: Outgoing


def take_census(sessions: Sessions) -> Census:
    """Count."""
    with sessions() as session:
        kinds = session.execute(
            select(
                Job.status,
                Job.method,
                func.count(),
                func.sum(Job.attempt),
                func.sum(Job.crashes),
            ).group_by(Job.status, Job.method)
        )
        pace = session.execute(_PACES)
        expired = select(func.count()).where(lost(*HELD))
        stored = session.execute(select(func.count(), func.sum(Artifact.size_bytes))).one()
        return Census(
            kinds=[Kind(*row) for row in kinds],
            queues=QueueRepository(session).depths(),
            paces=[Pace(method, jobs, blocks, took or 0.0) for method, jobs, blocks, took in pace],
            expired_leases=session.scalar(expired) or 0,
            artifacts=stored[0],
            artifact_bytes=int(stored[1] or 0),
            workers=WorkerRepository(session).all(),
            outgoing=_outgoing(session),
        )


def _outgoing(session: Session) -> Outgoing:
    due = case((Webhook.disabled_at.is_(None), Delivery.next_attempt_at))
    query = select(Delivery.status, func.count(), func.min(due), now()).join(Webhook)
    told = (DeliveryStatus.pending, DeliveryStatus.failed)
    query = query.where(Delivery.status.in_(told)).group_by(Delivery.status)
    counts, overdue_s = dict.fromkeys(DeliveryStatus, 0), 0.0
    for status, count, first, moment in session.execute(query):
        counts[status] = count
        if first is not None:  # what has failed is due no more
            overdue_s = max(0.0, (moment - first).total_seconds())
    return Outgoing(counts[DeliveryStatus.pending], counts[DeliveryStatus.failed], overdue_s)


_OF_THE_ATTEMPT = (BlockReport.job_id == Job.id) & (BlockReport.attempt == Job.attempt)
_PACES = (
    select(
        Job.method,
        func.count(Job.id.distinct()),
        func.count(BlockReport.index),
        func.sum(BlockReport.data["prune_seconds"].as_float()),
    )
    .outerjoin(BlockReport, _OF_THE_ATTEMPT)
    .where(Job.status == JobState.running)
    .group_by(Job.method)
)
