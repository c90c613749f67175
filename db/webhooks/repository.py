"""The webhooks: made, looked at, changed, given a new secret, deleted."""

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
from db.tables.webhooks import FINAL_EVENTS, EventType, Webhook

SECRET_BYTES = 32
BY_REQUEST, GONE = "by_request", "gone"
"""Why nothing is sent to a webhook: somebody wanted it so, or its address said so."""


class WebhookRepository:
    """The webhooks in one session, which this never commits."""

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
        """Make a webhook with a secret of its own; it is told of what happens from now on."""
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
        """Return the webhook as the database has it now.

        Raises:
            WebhookNotFoundError: there is none.
        """
        if (found := self._session.get(Webhook, webhook_id, populate_existing=True)) is None:
            raise WebhookNotFoundError(webhook_id)
        return found

    def all(self) -> list[Webhook]:
        """Return every webhook, newest first."""
        return list(self._session.scalars(select(Webhook).order_by(Webhook.id.desc())))

    def change(
        self, webhook_id: str, *, events: Sequence[EventType] | None = None, **values: Any
    ) -> Webhook:
        """Give a webhook another ``url``, ``description`` or choice of events.

        Raises:
            WebhookNotFoundError: there is none.
        """
        if events is not None:
            values["events"] = _in_order(events)
        return self._set(webhook_id, **values) if values else self.get(webhook_id)

    def enable(self, webhook_id: str) -> Webhook:
        """Send to a webhook again: what waits for it, and what happens from now on.

        Nothing else of a webhook may be changed before in the same transaction: whoever gives
        places locks these first, then webhooks.

        Raises:
            WebhookNotFoundError: there is none.
        """
        place = EventOrder(self._session).assign_all_positions()
        missed = case((Webhook.disabled_at.is_not(None), place), else_=Webhook.position)
        enabled = {"disabled_at": None, "disabled_reason": None}
        return self._set(webhook_id, position=missed, **enabled)

    def disable(self, webhook_id: str) -> Webhook:
        """Send nothing to a webhook; it is never told of what happens meanwhile.

        Raises:
            WebhookNotFoundError: there is none.
        """
        first = func.coalesce(Webhook.disabled_reason, BY_REQUEST)
        since = func.coalesce(Webhook.disabled_at, now())
        return self._set(webhook_id, disabled_at=since, disabled_reason=first)

    def rotate(self, webhook_id: str, grace: timedelta) -> Webhook:
        """Give a webhook a new secret; the one until now signs beside it for ``grace`` more.

        Raises:
            WebhookNotFoundError: there is none.
        """
        former = {"former_secret": Webhook.secret, "former_until": now(grace)}
        if not grace:
            former = {"former_secret": null(), "former_until": null()}
        return self._set(webhook_id, secret=new_secret(), **former)

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with all its deliveries.

        Raises:
            WebhookNotFoundError: there is none.
        """
        gone = delete(Webhook).where(Webhook.id == webhook_id).returning(Webhook.id)
        gone = gone.execution_options(synchronize_session=False)
        if self._session.scalar(gone) is None:
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
    """Return a secret as Standard Webhooks writes it."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _in_order(events: Sequence[EventType]) -> list[str]:
    return [one.value for one in EventType if one in events]
