"""Webhooks and what is due to them."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from sqlalchemy import select, update

from db.core.clock import now
from db.core.session import Sessions
from db.tables.webhooks import Delivery, Webhook
from db.webhooks.event_types import EventType
from tests import factories
from tests.waiting import DEADLINE_S
from worker.webhooks.dispatcher import WebhookDispatcher
from worker.webhooks.sender import Sender

LOOPBACK = (ip_network("127.0.0.0/8"),)


def make_dispatcher(
    sessions: Sessions, *, timeout_s: float = DEADLINE_S, **options: Any
) -> WebhookDispatcher:
    return WebhookDispatcher(sessions, Sender(LOOPBACK, timeout_s=timeout_s), **options)


def make_webhook(sessions: Sessions, url: str, *events: EventType, tests: int = 0) -> Webhook:
    """Insert a webhook, and some messages to it that are due."""
    webhook = factories.make_webhook(sessions, *events, url=url)
    for _ in range(tests):
        factories.make_delivery(sessions, webhook)
    return webhook


def make_due(sessions: Sessions) -> None:
    """Let enough time go by for everything that waits."""
    with sessions.begin() as session:
        past = now(-timedelta(seconds=1))
        waits = Delivery.next_attempt_at.is_not(None)
        session.execute(update(Delivery).where(waits).values(next_attempt_at=past))


def deliver(sessions: Sessions) -> int:
    """Send due messages once, and return how many were sent."""
    dispatcher = make_dispatcher(sessions)
    count = dispatcher.send_due()
    dispatcher.wait(DEADLINE_S)
    return count


def deliveries(sessions: Sessions) -> list[Delivery]:
    """Return all there are, oldest first."""
    with sessions() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))
