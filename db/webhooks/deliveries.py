"""The deliveries of webhooks: reading them, sending them again, deleting them."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Text, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased, defer

from db.core.clock import now
from db.core.errors import DeliveryNotFoundError, WebhookDisabledError
from db.core.ids import new_id
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks.cloudevents import test_body
from db.webhooks.event_types import TEST_EVENT
from db.webhooks.repository import BY_REQUEST, WebhookRepository

KEPT_FOR = timedelta(days=30)


class DeliveryRepository:
    """Reads, enqueues and deletes deliveries; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_test(self, webhook_id: str) -> Delivery:
        """Enqueue a test message.

        Raises:
            WebhookNotFoundError: there is no such webhook.
            WebhookDisabledError: the webhook is disabled.
        """
        webhook, message_id = self._enabled(webhook_id), new_id("msg")
        body = test_body(message_id, webhook, self._session.scalars(select(now())).one())
        delivery = Delivery(id=message_id, webhook_id=webhook_id, type=TEST_EVENT, body=body)
        self._session.add(delivery)
        self._session.flush()
        return delivery

    def get(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return the current row of a webhook's delivery.

        Raises:
            DeliveryNotFoundError: the webhook has no such delivery.
        """
        delivery = self._session.get(Delivery, delivery_id, populate_existing=True)
        if delivery is None or delivery.webhook_id != webhook_id:
            raise DeliveryNotFoundError(delivery_id)
        return delivery

    def page(
        self,
        webhook_id: str,
        *,
        status: DeliveryStatus | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Delivery]:
        """Return up to ``limit`` of a webhook's deliveries, newest first, without their bodies.

        With ``after``, the id of a delivery, return only deliveries that are older than that one.
        """
        query = select(Delivery).where(Delivery.webhook_id == webhook_id)
        if status is not None:
            query = query.where(Delivery.status == status)
        if after is not None:
            query = query.where(Delivery.id < after)
        query = query.options(defer(Delivery.body, raiseload=True))
        return list(self._session.scalars(query.order_by(Delivery.id.desc()).limit(limit)))

    def undelivered(self, webhook_ids: Sequence[str]) -> dict[str, int]:
        """Return the number of undelivered messages of each webhook since its last success.

        A message counts if it is newer than the webhook's newest delivered message, was tried at
        least once, and is not delivered. Webhooks without such messages are omitted.
        """
        newer = aliased(Delivery)
        delivered = select(func.max(newer.id)).where(
            newer.webhook_id == Delivery.webhook_id, newer.status == DeliveryStatus.delivered
        )
        was_tried = func.length(cast(Delivery.log, Text)) > len("[]")
        has_failed = or_(
            Delivery.status == DeliveryStatus.failed,
            (Delivery.status == DeliveryStatus.pending) & was_tried,
        )
        query = select(Delivery.webhook_id, func.count()).where(
            Delivery.webhook_id.in_(webhook_ids),
            has_failed,
            Delivery.id > func.coalesce(delivered.scalar_subquery(), ""),
        )
        return dict(self._session.execute(query.group_by(Delivery.webhook_id)).all())

    def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Enqueue a delivery again, whatever its status, and count its attempts from 0 again.

        Raises:
            WebhookNotFoundError: there is no such webhook.
            WebhookDisabledError: the webhook is disabled.
            DeliveryNotFoundError: the webhook has no such delivery.
        """
        self._enabled(webhook_id)
        delivery = self.get(webhook_id, delivery_id)
        self._session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(
                status=DeliveryStatus.pending,
                attempts=0,
                next_attempt_at=now(),
                noted_at=now(),
                finished_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        self._session.refresh(delivery)
        return delivery

    def purge(self) -> int:
        """Delete the deliveries that ended longer than `KEPT_FOR` ago, and return their number."""
        old = delete(Delivery).where(Delivery.finished_at < now(-KEPT_FOR)).returning(Delivery.id)
        old = old.execution_options(synchronize_session=False)
        return len(self._session.scalars(old).all())

    def _enabled(self, webhook_id: str) -> Webhook:
        webhook = WebhookRepository(self._session).get(webhook_id)
        if webhook.disabled_at is not None:
            raise WebhookDisabledError(webhook_id, webhook.disabled_reason or BY_REQUEST)
        return webhook
