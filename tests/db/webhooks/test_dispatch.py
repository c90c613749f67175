"""Claims and outcomes of deliveries."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select, update

from db.core.clock import now
from db.core.session import Sessions
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks.deliveries import DeliveryRepository
from db.webhooks.dispatch import (
    LOG_LENGTH,
    RETRIES,
    ClaimedDelivery,
    DispatchRepository,
    SendResult,
)
from db.webhooks.repository import WebhookRepository
from tests.factories import make_delivery, make_webhook

REFUSED = SendResult(0.25, status=500)
ARRIVED = SendResult(0.25, status=204)


def middle() -> float:
    return 0.5


def claim(sessions: Sessions, limit: int = 10) -> list[ClaimedDelivery]:
    with sessions.begin() as session:
        return DispatchRepository(session).claim(limit)


def settle(sessions: Sessions, claimed: ClaimedDelivery, outcome: SendResult) -> bool:
    with sessions.begin() as session:
        return DispatchRepository(session).record_result(claimed, outcome, middle)


def read(sessions: Sessions, delivery: Delivery) -> Delivery:
    with sessions() as session:
        return DeliveryRepository(session).get(delivery.webhook_id, delivery.id)


def moment(sessions: Sessions) -> datetime:
    with sessions() as session:
        return session.scalars(select(now())).one()


def let_go_by(sessions: Sessions, delivery: Delivery) -> None:
    """Make a delivery due."""
    with sessions.begin() as session:
        due = update(Delivery).where(Delivery.id == delivery.id)
        session.execute(due.values(next_attempt_at=now(-timedelta(seconds=1))))


def webhook_of(sessions: Sessions, webhook: Webhook) -> Webhook:
    with sessions() as session:
        return WebhookRepository(session).get(webhook.id)


def test_a_claim_has_all_fields_and_hides_secrets_from_logs(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    delivery = make_delivery(sessions, webhook)
    (claimed,) = claim(sessions)
    assert (claimed.id, claimed.url, claimed.body) == (delivery.id, webhook.url, delivery.body)
    assert (claimed.secrets, claimed.attempt) == ((webhook.secret,), 1)
    assert webhook.secret not in repr(claimed)


def test_both_secrets_sign_while_the_former_one_is_valid(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    first = webhook.secret
    make_delivery(sessions, webhook)
    with sessions.begin() as session:
        second = WebhookRepository(session).rotate(webhook.id, timedelta(hours=1)).secret
    (claimed,) = claim(sessions)
    assert claimed.secrets == (second, first)

    make_delivery(sessions, webhook)
    with sessions.begin() as session:
        session.execute(update(Webhook).values(former_until=now(-timedelta(seconds=1))))
    (claimed,) = claim(sessions)
    assert claimed.secrets == (second,)


def test_a_claimed_delivery_is_due_again_after_a_minute_without_a_result(
    sessions: Sessions,
) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (first,) = claim(sessions)
    assert claim(sessions) == []
    with sessions() as session:
        assert not DispatchRepository(session).is_due()
    let_go_by(sessions, delivery)
    with sessions() as session:
        assert DispatchRepository(session).is_due()
    (second,) = claim(sessions)
    assert (second.attempt, second.id) == (2, first.id)

    assert not settle(sessions, first, ARRIVED), "the first came too late"
    assert settle(sessions, second, REFUSED)
    assert [entry["status"] for entry in read(sessions, delivery).log] == [500]


def test_a_delivery_claimed_before_the_clock_was_set_back_is_due(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (first,) = claim(sessions)
    with sessions.begin() as session:
        later = {"noted_at": now(timedelta(hours=1)), "next_attempt_at": now(timedelta(hours=1))}
        session.execute(update(Delivery).values(**later))
    (second,) = claim(sessions)
    assert (second.id, second.attempt) == (first.id, 2)
    assert settle(sessions, second, ARRIVED)
    assert read(sessions, delivery).status is DeliveryStatus.delivered


def test_a_result_is_recorded_once(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (claimed,) = claim(sessions)
    assert settle(sessions, claimed, ARRIVED)
    assert not settle(sessions, claimed, REFUSED)
    found = read(sessions, delivery)
    assert (found.status, found.next_attempt_at) == (DeliveryStatus.delivered, None)
    assert found.finished_at is not None
    (entry,) = found.log
    assert (entry["status"], entry["seconds"], entry["error"]) == (204, 0.25, None)
    assert entry["at"] == found.finished_at.isoformat()


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, None])
def test_every_other_response_and_a_missing_one_is_retried(
    sessions: Sessions, status: int | None
) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (claimed,) = claim(sessions)
    before = moment(sessions)
    settle(sessions, claimed, SendResult(10, status, error=None if status else "timed out"))
    found = read(sessions, delivery)
    assert found.status is DeliveryStatus.pending
    assert found.next_attempt_at is not None
    assert before <= found.next_attempt_at - RETRIES.delays[0] <= moment(sessions)


def test_an_error_is_a_failure_with_any_status(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (claimed,) = claim(sessions)
    settle(sessions, claimed, SendResult(1, 200, error="the answer broke off: whsec_AAAA"))
    found = read(sessions, delivery)
    assert found.status is DeliveryStatus.pending
    assert found.log[0]["error"] == "the answer broke off: whsec_***"


def test_after_the_tenth_attempt_a_delivery_has_failed(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    for attempt in range(1, RETRIES.attempts + 1):
        let_go_by(sessions, delivery)
        (claimed,) = claim(sessions)
        assert claimed.attempt == attempt
        assert read(sessions, delivery).status is DeliveryStatus.pending
        settle(sessions, claimed, REFUSED)
    found = read(sessions, delivery)
    assert (found.status, len(found.log)) == (DeliveryStatus.failed, RETRIES.attempts)
    assert found.finished_at is not None
    assert claim(sessions) == []


def test_the_log_keeps_the_newest_attempts(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    for number in range(LOG_LENGTH + 5):
        with sessions.begin() as session:
            DeliveryRepository(session).redeliver(delivery.webhook_id, delivery.id)
        (claimed,) = claim(sessions)
        settle(sessions, claimed, SendResult(number, 500))
    log = read(sessions, delivery).log
    assert [entry["seconds"] for entry in log] == list(range(5, LOG_LENGTH + 5))


def test_status_410_fails_the_delivery_and_disables_the_webhook(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    gone, waiting = make_delivery(sessions, webhook), make_delivery(sessions, webhook)
    (claimed,) = claim(sessions, 1)
    settle(sessions, claimed, SendResult(1, 410))
    assert read(sessions, gone).status is DeliveryStatus.failed
    assert webhook_of(sessions, webhook).disabled_reason == "gone"

    assert claim(sessions) == [], "deliveries of a disabled webhook wait"
    with sessions.begin() as session:
        WebhookRepository(session).enable(webhook.id)
    assert [one.id for one in claim(sessions)] == [waiting.id]


def test_status_410_does_not_disable_a_webhook_whose_url_has_changed(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    make_delivery(sessions, webhook)
    (claimed,) = claim(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).change(webhook.id, url="https://new.example")
    settle(sessions, claimed, SendResult(1, 410))
    assert webhook_of(sessions, webhook).disabled_at is None


def test_a_result_from_before_a_redelivery_is_ignored(sessions: Sessions) -> None:
    delivery = make_delivery(sessions, make_webhook(sessions))
    (before,) = claim(sessions)
    with sessions.begin() as session:
        DeliveryRepository(session).redeliver(delivery.webhook_id, delivery.id)
    (after,) = claim(sessions)
    assert before.attempt == after.attempt == 1
    assert not settle(sessions, before, ARRIVED)
    assert settle(sessions, after, ARRIVED)


def test_the_result_of_a_deleted_delivery_is_ignored(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    make_delivery(sessions, webhook)
    (claimed,) = claim(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).delete(webhook.id)
    assert not settle(sessions, claimed, SendResult(1, 410))


def test_concurrent_claims_get_different_deliveries(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    made = [make_delivery(sessions, webhook).id for _ in range(40)]
    start = Barrier(4)

    def sender(_: int) -> list[str]:
        start.wait()
        return [one.id for _ in range(6) for one in claim(sessions, 3)]

    with ThreadPoolExecutor(4) as pool:
        claimed = [one for each in pool.map(sender, range(4)) for one in each]
    assert sorted(claimed) == sorted(made)


def test_the_most_overdue_delivery_is_claimed_first(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    first, second, third = (make_delivery(sessions, webhook) for _ in range(3))
    let_go_by(sessions, third)
    claimed = claim(sessions, 1) + claim(sessions, 2)
    assert [one.id for one in claimed] == [third.id, first.id, second.id]
