"""Tables of triggers, and of the calls that they have received."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Enum, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.tables.base import ID, Base, Document, SecretRow


class TriggerSource(StrEnum):
    """The kind of system that calls a trigger; it decides how calls are authenticated."""

    huggingface = "huggingface"
    mlflow = "mlflow"
    github = "github"
    standard = "standard"
    generic = "generic"


class TriggerOutcome(StrEnum):
    """What the service did with a call to a trigger."""

    submitted = "submitted"
    ignored = "ignored"
    refused = "refused"


class Trigger(SecretRow):
    """A stored job request; each call from another system can submit a job with it.

    Attributes:
        job: fields of the job; those that ``map`` sets may be left out.
        filter: JSON pointers into the payload, each with the required value or a list of allowed
            values.
        map: fields of the job, each with the JSON pointer to its value in the payload.
        created_by: the id of the API key whose quotas apply to its jobs; None without a key.
    """

    __tablename__ = "triggers"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("trg"))
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[TriggerSource] = mapped_column(Enum(TriggerSource, native_enum=False, length=16))
    job: Mapped[Document]
    filter: Mapped[Document]
    map: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID)


class TriggerDelivery(Base):
    """One authenticated call of a trigger.

    Attributes:
        delivery_id: the id that the caller sent; a digest of the body if the caller sent none, or
            of the id if that is malformed. A second call with the same id is a duplicate, unless
            the first one was refused.
        body_digest: a digest of the body; set only for GitHub, whose signature does not cover the
            id. There, a second call with the same body is a duplicate too.
        reason: why the call was ignored.
        job_id: the job that it created, which may have been deleted since.
        problem: the problem document of the response, if the call was refused.
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
