"""Schemas of webhooks and their deliveries."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints

from api.schemas.fields import RequestModel
from db.core.label_types import Label
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks.addresses import MAX_LENGTH
from db.webhooks.event_types import FINAL_EVENTS, EventType

DAY_S = 24 * 3600
Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
Events = Annotated[list[EventType], Field(min_length=1, max_length=32)]


class WebhookRequest(RequestModel):
    """A new webhook."""

    url: Url = Field(description="A public https address that responds with 2xx within 10 seconds.")
    description: Label = Field(default="", description="A description for people.")
    events: Events = Field(
        default=list(FINAL_EVENTS), description="The types of events that it receives."
    )


class WebhookPatch(RequestModel):
    """The fields of a webhook that change; omitted or null fields stay the same."""

    url: Url | None = None
    description: Label | None = None
    events: Events | None = None
    enabled: StrictBool | None = Field(
        default=None,
        description="`false` disables the webhook: waiting messages are held back, and new events "
        "are skipped. `true` enables it again, even after a 410 has disabled it.",
    )

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, exclude={"enabled"})


class SecretRotation(RequestModel):
    """A request for a new secret for a webhook or a trigger."""

    grace_s: StrictInt = Field(
        default=DAY_S,
        ge=0,
        le=90 * DAY_S,
        description="For how many seconds the old secret stays valid beside the new one.",
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
        description="`by_request`, or `gone` after a response of 410."
    )
    former_until: datetime | None = Field(
        description="Until when messages are signed with the previous secret, too."
    )
    undelivered: int = Field(
        description="The number of messages whose attempts have failed since one was last "
        "delivered: its address has a problem."
    )
    created_at: datetime
    created_by: str | None = Field(description="The key with which it was created, if any.")

    @classmethod
    def of(cls, row: Webhook, undelivered: int, **fields: str) -> Self:
        names = WebhookRead.model_fields.keys() - {"enabled", "undelivered"}
        plain = {name: getattr(row, name) for name in names}
        return cls(enabled=row.disabled_at is None, undelivered=undelivered, **plain, **fields)


class NewWebhook(WebhookRead):
    """A webhook with its secret, which is never shown again."""

    secret: str = Field(
        description="The secret that signs its messages, in the format of Standard Webhooks."
    )


class DeliveryAttempt(BaseModel):
    """One attempt to deliver a message."""

    at: datetime
    status: int | None = Field(description="The status of the response; null if there was none.")
    seconds: float
    error: str | None = Field(
        description="Why the attempt failed, if not because of the response's status."
    )


class DeliveryRead(BaseModel):
    """One message to a webhook."""

    id: str = Field(description="The message's `webhook-id`, the same in every attempt.")
    webhook_id: str
    type: str
    job_id: str | None = Field(description="The job that it is about, which may be deleted by now.")
    status: DeliveryStatus
    attempts: int = Field(description="The number of attempts since the last redelivery.")
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    last: DeliveryAttempt | None = Field(description="The latest attempt.")

    @classmethod
    def of(cls, row: Delivery) -> Self:
        return cls(**_fields(row))


class DeliveryDetail(DeliveryRead):
    """One message to a webhook, with its body and attempts."""

    body: str = Field(description="The exact bytes that are sent and signed: a CloudEvent as JSON.")
    log: list[DeliveryAttempt] = Field(description="The latest attempts, the newest last.")

    @classmethod
    def of(cls, row: Delivery) -> Self:
        log = [DeliveryAttempt.model_validate(attempt) for attempt in row.log]
        return cls(body=row.body, log=log, **_fields(row))


def _fields(row: Delivery) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in DeliveryRead.model_fields if name != "last"}
    return plain | {"last": row.log[-1] if row.log else None}
