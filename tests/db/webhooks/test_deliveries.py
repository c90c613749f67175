import json
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import InvalidRequestError

from db.core.clock import now
from db.core.errors import DeliveryNotFoundError, WebhookDisabledError, WebhookNotFoundError
from db.core.session import Sessions
from db.tables.webhooks import Delivery, DeliveryStatus
from db.webhooks.deliveries import KEPT_FOR, DeliveryRepository
from db.webhooks.repository import WebhookRepository
from tests.factories import make_delivery, make_webhook


def age(sessions: Sessions, delivery: Delivery, by: timedelta) -> None:
    with sessions.begin() as session:
        ended = update(Delivery).where(Delivery.id == delivery.id)
        session.execute(ended.values(status=DeliveryStatus.failed, finished_at=now(-by)))


def test_a_test_names_its_webhook(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, description="ours")
    delivery = make_delivery(sessions, webhook)
    body = json.loads(delivery.body)
    assert (body["type"], body["id"]) == ("webhook.test", delivery.id)
    assert body["data"] == {"webhook": {"id": webhook.id, "description": "ours"}}
    assert (delivery.status, delivery.position) == (DeliveryStatus.pending, None)


def test_a_disabled_webhook_gets_no_test_and_no_redelivery(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    delivery = make_delivery(sessions, webhook)
    with sessions.begin() as session:
        WebhookRepository(session).disable(webhook.id)
        deliveries = DeliveryRepository(session)
        with pytest.raises(WebhookDisabledError, match="by_request"):
            deliveries.add_test(webhook.id)
        with pytest.raises(WebhookDisabledError):
            deliveries.redeliver(webhook.id, delivery.id)
        with pytest.raises(WebhookNotFoundError):
            deliveries.add_test("whk_0")


def test_a_page_is_newest_first_and_without_bodies(sessions: Sessions) -> None:
    webhook, other = make_webhook(sessions), make_webhook(sessions)
    made = [make_delivery(sessions, webhook).id for _ in range(5)]
    make_delivery(sessions, other)
    with sessions() as session:
        deliveries = DeliveryRepository(session)
        first = deliveries.page(webhook.id, limit=3)
        assert [one.id for one in first] == made[:1:-1]
        rest = deliveries.page(webhook.id, limit=3, after=first[-1].id)
        assert [one.id for one in rest] == made[1::-1]
        with pytest.raises(InvalidRequestError):
            _ = rest[0].body


def test_a_page_can_be_of_one_status(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    failed, _ = make_delivery(sessions, webhook), make_delivery(sessions, webhook)
    age(sessions, failed, timedelta(0))
    with sessions() as session:
        (found,) = DeliveryRepository(session).page(webhook.id, status=DeliveryStatus.failed)
    assert found.id == failed.id


def test_a_delivery_is_found_only_under_its_webhook(sessions: Sessions) -> None:
    webhook, other = make_webhook(sessions), make_webhook(sessions)
    delivery = make_delivery(sessions, webhook)
    with sessions.begin() as session:
        deliveries = DeliveryRepository(session)
        assert deliveries.get(webhook.id, delivery.id).id == delivery.id
        with pytest.raises(DeliveryNotFoundError):
            deliveries.get(other.id, delivery.id)
        with pytest.raises(DeliveryNotFoundError):
            deliveries.redeliver(other.id, delivery.id)


def test_a_delivery_is_sent_again_as_the_same(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    delivery = make_delivery(sessions, webhook)
    age(sessions, delivery, timedelta(days=2))
    with sessions.begin() as session:
        again = DeliveryRepository(session).redeliver(webhook.id, delivery.id)
    assert (again.id, again.body) == (delivery.id, delivery.body)
    assert (again.status, again.attempts) == (DeliveryStatus.pending, 0)
    assert again.finished_at is None


def test_what_failed_since_the_last_delivered_message_is_counted(sessions: Sessions) -> None:
    attempt = {"at": "2026-01-05T09:30:00Z", "status": 500, "seconds": 0.1, "error": None}
    webhook, other = make_webhook(sessions), make_webhook(sessions)
    with sessions.begin() as session:
        deliveries = DeliveryRepository(session)

        def add(status: DeliveryStatus, tries: int) -> None:
            delivery = deliveries.add_test(webhook.id)
            delivery.status, delivery.log, delivery.attempts = status, [attempt] * tries, tries
            session.flush()

        assert deliveries.undelivered([webhook.id, other.id]) == {}
        add(DeliveryStatus.failed, 10)
        add(DeliveryStatus.delivered, 1)
        add(DeliveryStatus.pending, 0)  # was not sent yet
        assert deliveries.undelivered([webhook.id, other.id]) == {}
        add(DeliveryStatus.pending, 1)  # is tried again
        add(DeliveryStatus.failed, 10)
        assert deliveries.undelivered([webhook.id, other.id]) == {webhook.id: 2}


def test_deliveries_that_ended_a_month_ago_are_deleted_and_pending_ones_stay(
    sessions: Sessions,
) -> None:
    webhook = make_webhook(sessions)
    old, recent, waiting = (make_delivery(sessions, webhook) for _ in range(3))
    age(sessions, old, KEPT_FOR + timedelta(hours=1))
    age(sessions, recent, KEPT_FOR - timedelta(hours=1))
    with sessions.begin() as session:
        deliveries = DeliveryRepository(session)
        assert deliveries.purge() == 1
        assert [one.id for one in deliveries.page(webhook.id)] == [waiting.id, recent.id]


def test_deliveries_are_deleted_with_their_webhook(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    delivery = make_delivery(sessions, webhook)
    with sessions.begin() as session:
        WebhookRepository(session).delete(webhook.id)
        with pytest.raises(DeliveryNotFoundError):
            DeliveryRepository(session).get(webhook.id, delivery.id)
