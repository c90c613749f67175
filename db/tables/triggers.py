"""What lets other systems start jobs: triggers, and what came in for each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Enum, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.tables.base import ID, Base, Document


class TriggerSource(StrEnum):
    """Who calls a trigger, and so how a call proves itself."""

    huggingface = "huggingface"
    mlflow = "mlflow"
    github = "github"
    standard = "standard"
    generic = "generic"


class TriggerOutcome(StrEnum):
    """What came of a call."""

    submitted = "submitted"
    ignored = "ignored"
    refused = "refused"


class Trigger(Base):
    """A job that another system starts.

    Its secrets have to be read to compute signatures, so they are kept as they are. The former
    one is that before the last rotation: both are good until ``former_until``.

    Attributes:
        job: fields of the job; those that ``map`` fills may be missing.
        filter: by pointer into a payload, the value it must have there, or a list of such values.
        map: by field of the job, the pointer into a payload to what fills it.
        created_by: the key that its jobs count for.
    """

    __tablename__ = "triggers"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("trg"))
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[TriggerSource] = mapped_column(Enum(TriggerSource, native_enum=False, length=16))
    job: Mapped[Document]
    filter: Mapped[Document]
    map: Mapped[dict[str, str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(64))
    former_secret: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID)


class TriggerDelivery(Base):
    """One call of a trigger that proved itself.

    Attributes:
        delivery_id: what the caller named it by; the same name again is the same call.
        body_digest: of a source that signs the body without the name, and then the same body again
            is the same call as well.
        reason: why it was ignored.
        job_id: the job that it started; that one may be deleted since.
        problem: why it was refused, as the caller was told.
    """

    __tablename__ = "trigger_deliveries"
    __table_args__ = (
        UniqueConstraint("trigger_id", "delivery_id"),
        Index("uq_trigger_deliveries_body", "trigger_id", "body_digest", unique=True),
        Index("ix_trigger_deliveries_listed", "trigger_id", "id"),
        Index("ix_trigger_deliveries_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("tdl"))
    trigger_id: Mapped[str] = mapped_column(ForeignKey(Trigger.id, ondelete="CASCADE"))
    delivery_id: Mapped[str] = mapped_column(String(255))
    body_digest: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[TriggerOutcome] = mapped_column(
        Enum(TriggerOutcome, native_enum=False, length=16)
    )
    reason: Mapped[str | None] = mapped_column(String(1024))
    job_id: Mapped[str | None] = mapped_column(ID)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now())
