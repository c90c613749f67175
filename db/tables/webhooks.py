"""Who is told what happens: webhooks, and what goes out to each."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import JSON, BigInteger, Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.core.states import FINAL, JobState
from db.tables.base import ID, Base


class EventType(StrEnum):
    """What a webhook can be told of; each is ``job.`` and the status that a job enters."""

    queued = "job.queued"
    running = "job.running"
    paused = "job.paused"
    succeeded = "job.succeeded"
    failed = "job.failed"
    cancelled = "job.cancelled"
    expired = "job.expired"

    @classmethod
    def of(cls, status: JobState) -> Self:
        """Return the type that tells of a status.

        Raises:
            ValueError: nobody is told of it: it only says what was asked of a worker.
        """
        return cls(f"job.{status}")

    @property
    def status(self) -> JobState:
        """The status that the job has entered."""
        return JobState(self.name)


FINAL_EVENTS = tuple(one for one in EventType if one.status in FINAL)
"""What a webhook is told of unless it asks for less or for more."""
TEST_EVENT = "webhook.test"
"""The type of what is sent only to be seen to arrive."""


class DeliveryStatus(StrEnum):
    """Whether a delivery is still to be made, was made, or was given up."""

    pending = "pending"
    delivered = "delivered"
    failed = "failed"


DELIVERY_STATUS = Enum(DeliveryStatus, native_enum=False, length=16)


class Webhook(Base):
    """An address that wants to be told.

    Its secrets have to be read to sign with them, so they are kept as they are. The former one is
    that before the last rotation: both sign until ``former_until``.

    Attributes:
        position: the place among the events of all jobs up to which it has been told.
        disabled_reason: ``by_request``, or ``gone`` where the address said so itself.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("whk"))
    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str] = mapped_column(String(200), default="")
    events: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(64))
    former_secret: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(32))
    position: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID)


class Delivery(Base):
    """One message to one webhook; its id and its body stay the same however often it is sent.

    Attributes:
        job_id: which job it is about; that one may be deleted since.
        position: the place of the event that it tells of; a test has none.
        next_attempt_at: when it is due; while it is being sent, when it is taken for lost.
        noted_at: when that was decided.
        log: what came of each attempt, the newest last.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "position"),
        Index("ix_webhook_deliveries_listed", "webhook_id", "id"),
        Index("ix_webhook_deliveries_of_a_status", "webhook_id", "status", "id"),
        Index("ix_webhook_deliveries_due", "status", "next_attempt_at"),
        Index("ix_webhook_deliveries_finished_at", "finished_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("msg"))
    webhook_id: Mapped[str] = mapped_column(ForeignKey(Webhook.id, ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(ID)
    position: Mapped[int | None] = mapped_column(BigInteger)
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[DeliveryStatus] = mapped_column(DELIVERY_STATUS, default=DeliveryStatus.pending)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(default=now())
    noted_at: Mapped[datetime | None] = mapped_column(default=now())
    created_at: Mapped[datetime] = mapped_column(default=now())
    finished_at: Mapped[datetime | None]
    log: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
