"""The repository of webhooks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, func

from db.core.clock import now
from db.core.errors import WebhookNotFoundError
from db.events.event_order import EventOrder
from db.tables.webhooks import Webhook
from db.webhooks.event_types import FINAL_EVENTS, EventType
from db.webhooks.secret_rows import SecretRows, new_secret

BY_REQUEST, GONE = "by_request", "gone"
"""Why a webhook is disabled: a client disabled it, or its receiver responded with 410 Gone."""


class WebhookRepository(SecretRows[Webhook]):
    """Creates, reads, changes and deletes webhooks; never commits."""

    table = Webhook
    error = WebhookNotFoundError

    def create(
        self,
        url: str,
        *,
        description: str = "",
        events: Sequence[EventType] = FINAL_EVENTS,
        created_by: str | None = None,
    ) -> Webhook:
        """Create a webhook with a new secret; it receives events from now on."""
        webhook = Webhook(
            url=url,
            description=description,
            events=_in_order(events),
            secret=new_secret(),
            position=EventOrder(self._session).assign_all_positions(),
            created_by=created_by,
        )
        self._session.add(webhook)
        self._session.flush()
        return webhook

    def change(
        self, webhook_id: str, *, events: Sequence[EventType] | None = None, **values: Any
    ) -> Webhook:
        """Change a webhook's ``url``, its ``description`` or the events that it receives.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        if events is not None:
            values["events"] = _in_order(events)
        return self._set(webhook_id, **values) if values else self.get(webhook_id)

    def enable(self, webhook_id: str) -> Webhook:
        """Enable a webhook: send its pending deliveries, and the events that occur from now on.

        Call this before the transaction changes any webhook. Every transaction has to lock the
        counter of positions before it locks a webhook.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        position = EventOrder(self._session).assign_all_positions()
        start = case((Webhook.disabled_at.is_not(None), position), else_=Webhook.position)
        enabled = {"disabled_at": None, "disabled_reason": None}
        return self._set(webhook_id, position=start, **enabled)

    def disable(self, webhook_id: str) -> Webhook:
        """Disable a webhook; events that occur while it is disabled are never sent to it.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        reason = func.coalesce(Webhook.disabled_reason, BY_REQUEST)
        since = func.coalesce(Webhook.disabled_at, now())
        return self._set(webhook_id, disabled_at=since, disabled_reason=reason)


def _in_order(events: Sequence[EventType]) -> list[str]:
    return [event.value for event in EventType if event in events]
