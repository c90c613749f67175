"""Webhooks and their deliveries as the service answers them."""

from datetime import datetime

from zpruner.client.models.jobs import Answer


class Webhook(Answer):
    """An address that is told what happens, without its secret."""

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
    """A webhook with its secret, which the service shows this once."""

    secret: str


class DeliveryAttempt(Answer):
    """What came of one attempt to deliver."""

    at: datetime
    status: int | None = None
    seconds: float = 0.0
    error: str | None = None


class Delivery(Answer):
    """One message; in a list, or just queued, it comes without its body and its log."""

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
