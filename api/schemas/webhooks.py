"""Webhooks and their deliveries as they are asked for and answered."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

from api.schemas.fields import Label
from db.tables.webhooks import ENDINGS, Delivery, DeliveryStatus, EventType, Webhook
from db.webhooks.addresses import MAX_LENGTH

DAY_S = 24 * 3600
Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
Events = Annotated[list[EventType], Field(min_length=1, max_length=32)]


class WebhookRequest(BaseModel):
    """A new webhook."""

    model_config = ConfigDict(extra="forbid")

    url: Url = Field(description="A public https address; it answers 2xx within 10 seconds.")
    description: Label = Field(default="", description="For whoever reads the list.")
    events: Events = Field(default=list(ENDINGS), description="What it is told of.")


class WebhookPatch(BaseModel):
    """What is to change; what is left out or null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    description: Label | None = None
    events: Events | None = None
    enabled: StrictBool | None = Field(
        default=None,
        description="`false` sends nothing more: what waits goes on waiting, and what happens "
        "meanwhile is never told. `true` also takes back what a 410 has done.",
    )

    def changes(self) -> dict[str, Any]:
        """Return the fields of the row that change."""
        return self.model_dump(exclude_none=True, exclude={"enabled"})


class SecretRotation(BaseModel):
    """How a webhook or a trigger changes its secret."""

    model_config = ConfigDict(extra="forbid")

    grace_s: StrictInt = Field(
        default=DAY_S,
        ge=0,
        le=90 * DAY_S,
        description="How long the old secret is good beside the new one.",
    )


class WebhookRead(BaseModel):
    """A webhook without its secret."""

    id: str
    url: str
    description: str
    events: list[EventType]
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None = Field(
        description="`by_request`, or `gone`: its address answered 410."
    )
    former_until: datetime | None = Field(description="Until when the secret before signs, too.")
    created_at: datetime
    created_by: str | None = Field(description="The key it was made with, if any.")

    @classmethod
    def of(cls, row: Webhook, **fields: str) -> Self:
        """Return the face of a webhook's row."""
        plain = {name: getattr(row, name) for name in WebhookRead.model_fields if name != "enabled"}
        return cls(enabled=row.disabled_at is None, **plain, **fields)


class NewWebhook(WebhookRead):
    """A webhook with its secret, which nothing shows again."""

    secret: str = Field(description="What its messages are signed with, as Standard Webhooks do.")


class DeliveryAttempt(BaseModel):
    """What came of one attempt to deliver."""

    at: datetime
    status: int | None = Field(description="How the address answered; null where it did not.")
    seconds: float
    error: str | None = Field(description="What went wrong, if it was not the answer itself.")


class DeliveryRead(BaseModel):
    """One message to a webhook."""

    id: str = Field(description="The message's `webhook-id`, the same in every attempt.")
    webhook_id: str
    type: str
    job_id: str | None = Field(description="The job it is about; that may be deleted since.")
    status: DeliveryStatus
    attempts: int = Field(description="Since it was last asked for.")
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last: DeliveryAttempt | None = Field(description="What came of the latest attempt.")

    @classmethod
    def of(cls, row: Delivery) -> Self:
        """Return the face of a delivery's row."""
        return cls(**_fields(row))


class DeliveryDetail(DeliveryRead):
    """One message to a webhook, with what it says and all that came of it."""

    body: str = Field(description="Byte for byte what is sent and signed: a CloudEvent as JSON.")
    log: list[DeliveryAttempt] = Field(description="The latest attempts, the newest last.")

    @classmethod
    def of(cls, row: Delivery) -> Self:
        """Return the whole face of a delivery's row."""
        log = [DeliveryAttempt.model_validate(one) for one in row.log]
        return cls(body=row.body, log=log, **_fields(row))


def _fields(row: Delivery) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in DeliveryRead.model_fields if name != "last"}
    return plain | {"last": row.log[-1] if row.log else None}
