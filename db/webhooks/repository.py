"""The repository of webhooks."""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import case, delete, func, null, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import WebhookNotFoundError
from db.events.event_order import EventOrder
from db.tables.webhooks import Webhook
from db.webhooks.event_types import FINAL_EVENTS, EventType

SECRET_BYTES = 32
BY_REQUEST, GONE = "by_request", "gone"
"""Why a webhook is disabled: a client disabled it, or its receiver responded with 410 Gone."""


class WebhookRepository:
    """Creates, reads, changes and deletes webhooks; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

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

    def get(self, webhook_id: str) -> Webhook:
        """Return the webhook's current row.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        if (webhook := self._session.get(Webhook, webhook_id, populate_existing=True)) is None:
            raise WebhookNotFoundError(webhook_id)
        return webhook

    def all(self) -> list[Webhook]:
        """Return all webhooks, newest first."""
        return list(self._session.scalars(select(Webhook).order_by(Webhook.id.desc())))

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

    def rotate(self, webhook_id: str, grace: timedelta) -> Webhook:
        """Replace a webhook's secret; for ``grace``, messages are signed with the former one too.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        former = {"former_secret": Webhook.secret, "former_until": now(grace)}
        if not grace:
            former = {"former_secret": null(), "former_until": null()}
        return self._set(webhook_id, secret=new_secret(), **former)

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with all its deliveries.

        Raises:
            WebhookNotFoundError: there is no such webhook.
        """
        deleted = delete(Webhook).where(Webhook.id == webhook_id).returning(Webhook.id)
        deleted = deleted.execution_options(synchronize_session=False)
        if self._session.scalar(deleted) is None:
            raise WebhookNotFoundError(webhook_id)

    def _set(self, webhook_id: str, **values: Any) -> Webhook:
        changed = self._session.scalar(
            update(Webhook)
            .where(Webhook.id == webhook_id)
            .values(**values)
            .returning(Webhook)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        if changed is None:
            raise WebhookNotFoundError(webhook_id)
        return changed


def new_secret() -> str:
    """Return a new secret in the format of Standard Webhooks."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _in_order(events: Sequence[EventType]) -> list[str]:
    return [event.value for event in EventType if event in events]
