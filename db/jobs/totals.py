"""Totals over all jobs, artifacts, queues, workers and webhook deliveries."""

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import HELD, JobState
from db.scheduling.crashes import lost
from db.scheduling.queues import QueueDepth, QueueRepository
from db.scheduling.workers import WorkerRepository, WorkerStatus
from db.tables.artifacts import Artifact
from db.tables.jobs import BlockReport, Job
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook


@dataclass(frozen=True)
class JobCount:
    """The number of jobs of one status and method.

    Attributes:
        attempts: the total number of attempts at these jobs.
        crashes: the total number of workers that these jobs have lost, each since its last retry by
            a client.
    """

    status: JobState
    method: str
    jobs: int
    attempts: int
    crashes: int


@dataclass(frozen=True)
class MethodSpeed:
    """The speed of the running jobs of one method.

    Attributes:
        blocks: the number of blocks that these jobs have finished in their current attempts.
        seconds: the time that it took to prune these blocks.
    """

    method: str
    jobs: int
    blocks: int
    seconds: float


@dataclass(frozen=True)
class DeliveryCount:
    """The numbers of pending and of failed webhook deliveries.

    Attributes:
        overdue_s: how many seconds ago the earliest pending delivery was due, of those to enabled
            webhooks; 0 if none is due yet.
    """

    pending: int = 0
    failed: int = 0
    overdue_s: float = 0.0


@dataclass(frozen=True)
class Totals:
    """All totals, read in one session.

    Attributes:
        expired_leases: the number of held jobs whose lease has expired.
        artifacts, artifact_bytes: the number and the total size of the stored artifacts.
        deleted_bytes: the total size of the artifacts that each retention rule deleted, by its
            name.
    """

    kinds: list[JobCount]
    queues: dict[str, QueueDepth]
    paces: list[MethodSpeed]
    expired_leases: int
    artifact_bytes: int
    artifacts: int
    deleted_bytes: dict[str, int]
    workers: list[WorkerStatus]
    outgoing: DeliveryCount


def read_totals(sessions: Sessions) -> Totals:
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
        pace = session.execute(_SPEEDS)
        expired = select(func.count()).where(lost(*HELD))
        sizes = {
            rule: (files, int(size))
            for rule, files, size in session.execute(
                select(Artifact.deleted_by, func.count(), func.sum(Artifact.size_bytes)).group_by(
                    Artifact.deleted_by
                )
            )
        }
        artifacts, artifact_bytes = sizes.pop(None, (0, 0))
        return Totals(
            kinds=[JobCount(*row) for row in kinds],
            queues=QueueRepository(session).depths(),
            paces=[
                MethodSpeed(method, jobs, blocks, took or 0.0)
                for method, jobs, blocks, took in pace
            ],
            expired_leases=session.scalar(expired) or 0,
            artifacts=artifacts,
            artifact_bytes=artifact_bytes,
            deleted_bytes={rule or "": size for rule, (_, size) in sizes.items()},
            workers=WorkerRepository(session).all(),
            outgoing=_outgoing(session),
        )


def _outgoing(session: Session) -> DeliveryCount:
    due = case((Webhook.disabled_at.is_(None), Delivery.next_attempt_at))
    query = select(Delivery.status, func.count(), func.min(due), now()).join(Webhook)
    statuses = (DeliveryStatus.pending, DeliveryStatus.failed)
    query = query.where(Delivery.status.in_(statuses)).group_by(Delivery.status)
    counts, overdue_s = dict.fromkeys(DeliveryStatus, 0), 0.0
    for status, count, first, moment in session.execute(query):
        counts[status] = count
        if first is not None:  # a failed delivery is not due
            overdue_s = max(0.0, (moment - first).total_seconds())
    return DeliveryCount(counts[DeliveryStatus.pending], counts[DeliveryStatus.failed], overdue_s)


_OF_CURRENT_ATTEMPT = (BlockReport.job_id == Job.id) & (BlockReport.attempt == Job.attempt)
_SPEEDS = (
    select(
        Job.method,
        func.count(Job.id.distinct()),
        func.count(BlockReport.index),
        func.sum(BlockReport.data["prune_seconds"].as_float()),
    )
    .outerjoin(BlockReport, _OF_CURRENT_ATTEMPT)
    .where(Job.status == JobState.running)
    .group_by(Job.method)
)
