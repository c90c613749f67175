"""Responses about webhooks and their deliveries."""

from datetime import datetime

from zpruner.client.models.jobs import ResponseModel


class Webhook(ResponseModel):
    """A webhook without its secret."""

    id: str
    url: str
    description: str = ""
    events: tuple[str, ...] = ()
    enabled: bool = True
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    former_until: datetime | None = None
    created_at: datetime
    created_by: str | None = None


class NewWebhook(Webhook):
    """A webhook with its secret, which is never shown again."""

    secret: str


class DeliveryAttempt(ResponseModel):
    """The result of one delivery attempt."""

    at: datetime
    status: int | None = None
    seconds: float = 0.0
    error: str | None = None


class Delivery(ResponseModel):
    """A message to a webhook; only ``Webhooks.delivery`` returns it with ``body`` and ``log``."""

    id: str
    webhook_id: str
    type: str
    job_id: str | None = None
    status: str
    attempts: int = 0
    next_attempt_at: datetime | None = None
    created_at: datetime
    finished_at: datetime | None = None
    last: DeliveryAttempt | None = None
    body: str | None = None
    log: tuple[DeliveryAttempt, ...] = ()
