"""Tables of webhooks and their deliveries."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.tables.base import ID, Base, SecretRow


class DeliveryStatus(StrEnum):
    """Whether a delivery is still to be made, has succeeded, or was given up."""

    pending = "pending"
    delivered = "delivered"
    failed = "failed"


DELIVERY_STATUS = Enum(DeliveryStatus, native_enum=False, length=16)


class Webhook(SecretRow):
    """An address that receives signed messages about events.

    Until ``former_until``, messages are signed with the current secret and with the former one.

    Attributes:
        position: deliveries are created only from events after this position.
        disabled_reason: ``by_request``, or ``gone`` after the address responded with 410.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("whk"))
    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str] = mapped_column(String(200), default="")
    events: Mapped[list[str]] = mapped_column(JSON)
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(32))
    position: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID)


class Delivery(Base):
    """One message to one webhook; every attempt sends the same id and body.

    Attributes:
        job_id: the job of the event, which may have been deleted since.
        position: the position of the event; None for test messages.
        next_attempt_at: the time when the next attempt is due. While an attempt runs, the time
            after which that attempt counts as lost. None once no attempt follows.
        noted_at: when ``next_attempt_at`` was set.
        log: the results of the latest attempts (at most 20), newest last.
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
