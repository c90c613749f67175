"""Messages come to their receivers: real rows on both databases, real listeners on loopback."""

import json
import logging
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import update

from db.core.retry_schedule import RetrySchedule
from db.core.session import Sessions
from db.core.states import JobState
from db.events.event_order import order_events
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks import dispatch
from db.webhooks.event_types import EventType
from db.webhooks.fanout import fan_out
from db.webhooks.repository import WebhookRepository
from tests.factories import make_job, move
from tests.reserved_port import reserved_port
from tests.worker.webhooks.messages import (
    deliver,
    deliveries,
    make_due,
    make_webhook,
)
from tests.worker.webhooks.receivers import ids, receiving, saying, verified


@pytest.fixture
def long_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first delay is five seconds, which a busy machine may need between two steps."""
    monkeypatch.setattr(dispatch, "RETRIES", RetrySchedule([timedelta(hours=1)] * 9))


def make_deliveries(sessions: Sessions) -> None:
    """Order events and make their deliveries, as the control process does."""
    order_events(sessions)
    fan_out(sessions)


def test_a_succeeded_job_is_notified_once_with_a_valid_signature(sessions: Sessions) -> None:
    with receiving() as receiver:
        webhook = make_webhook(sessions, receiver.url, EventType.succeeded)
        job = make_job(sessions)
        with sessions.begin() as session:
            move(session, job.id, JobState.running, JobState.succeeded)
        make_deliveries(sessions)
        assert deliver(sessions) == 1
        make_deliveries(sessions)
        assert deliver(sessions) == 0
        (request,) = receiver.requests
    (delivery,) = deliveries(sessions)
    assert request.headers["webhook-id"] == delivery.id
    assert request.body == delivery.body
    assert verified(request, webhook.secret) == json.loads(delivery.body)
    event = json.loads(request.body)
    assert (event["id"], event["type"], event["subject"]) == (delivery.id, "job.succeeded", job.id)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.delivered, 1)


@pytest.mark.usefixtures("long_delays")
def test_a_receiver_that_was_down_gets_the_message_later(sessions: Sessions) -> None:
    with reserved_port() as port:
        webhook = make_webhook(sessions, f"http://127.0.0.1:{port}/hook", tests=1)
        assert deliver(sessions) == 1
        assert deliver(sessions) == 0, "it was tried again at once"
        (delivery,) = deliveries(sessions)
        assert (delivery.status, delivery.attempts) == (DeliveryStatus.pending, 1)

        with receiving(saying(503), port=port) as ill:
            make_due(sessions)
            assert deliver(sessions) == 1
        with receiving(port=port) as well:
            make_due(sessions)
            assert deliver(sessions) == 1

    (delivery,) = deliveries(sessions)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.delivered, 3)
    assert [entry["status"] for entry in delivery.log] == [None, 503, 204]
    assert ids(ill) == ids(well) == [delivery.id]
    assert verified(well.requests[0], webhook.secret)


def test_the_retry_after_of_a_receiver_is_respected(sessions: Sessions) -> None:
    with receiving(saying(429, Retry_After="7200")) as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        deliver(sessions)
    (delivery,) = deliveries(sessions)
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at - delivery.created_at > timedelta(hours=1.9)


def test_a_receiver_that_responds_with_410_gets_no_more_messages(sessions: Sessions) -> None:
    with receiving(saying(410)) as receiver:
        webhook = make_webhook(sessions, receiver.url, tests=1)
        deliver(sessions)
        with sessions() as session:
            assert WebhookRepository(session).get(webhook.id).disabled_reason == "gone"
        make_due(sessions)
        assert deliver(sessions) == 0
    assert [one.status for one in deliveries(sessions)] == [DeliveryStatus.failed]


def test_messages_to_a_disabled_webhook_wait(sessions: Sessions) -> None:
    with receiving() as receiver:
        webhook = make_webhook(sessions, receiver.url, tests=2)
        with sessions.begin() as session:
            WebhookRepository(session).disable(webhook.id)
        assert deliver(sessions) == 0
        with sessions.begin() as session:
            WebhookRepository(session).enable(webhook.id)
        assert deliver(sessions) == 2
    assert sorted(ids(receiver)) == [one.id for one in deliveries(sessions)]


def test_both_secrets_of_a_rotation_sign(sessions: Sessions) -> None:
    with receiving() as receiver:
        former = make_webhook(sessions, receiver.url, tests=1)
        with sessions.begin() as session:
            new = WebhookRepository(session).rotate(former.id, timedelta(hours=1))
        deliver(sessions)
    for secret in (former.secret, new.secret):
        assert verified(receiver.requests[0], secret)


def test_an_outcome_that_is_late_is_not_recorded(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(lambda _: make_due(sessions)) as receiver:  # as if it had taken a minute
        make_webhook(sessions, receiver.url, tests=1)
        deliver(sessions)
    assert [one.status for one in deliveries(sessions)] == [DeliveryStatus.pending]
    assert "not recorded" in caplog.text


@pytest.mark.usefixtures("long_delays")
def test_a_message_that_cannot_be_sent_is_retried_with_a_delay(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving() as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        with sessions.begin() as session:
            session.execute(update(Webhook).values(secret="whsec_"))
        deliver(sessions)
        assert deliver(sessions) == 0
    assert receiver.requests == []
    assert "EmptyWebhookSecretError" in caplog.text
    (delivery,) = deliveries(sessions)
    assert delivery.log[0]["error"] == "the service failed to send it; see its log"
    assert delivery.next_attempt_at is not None


def test_each_outcome_is_one_line_without_secrets(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with receiving() as well, receiving(saying(500)) as ill:
        webhooks = [make_webhook(sessions, f"{one.url}/t0ken", tests=1) for one in (well, ill)]
        deliver(sessions)
    lines = [one.getMessage() for one in caplog.records if one.name == "worker.webhooks.dispatcher"]
    assert len(lines) == 2
    for webhook, status in zip(webhooks, ("204", "500"), strict=True):
        (line,) = (line for line in lines if webhook.id in line)
        (delivery,) = (one for one in deliveries(sessions) if one.webhook_id == webhook.id)
        assert delivery.id in line
        assert line.endswith(f": {status}")
        assert webhook.secret not in caplog.text
        assert delivery.body not in caplog.text
    assert "t0ken" not in caplog.text


def test_a_webhook_that_is_deleted_during_a_delivery_causes_no_error(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def delete(handler: BaseHTTPRequestHandler) -> None:
        with sessions.begin() as session:
            WebhookRepository(session).delete(webhook.id)
        saying(204)(handler)

    with receiving(delete) as receiver:
        webhook = make_webhook(sessions, receiver.url, tests=1)
        deliver(sessions)
    assert deliveries(sessions) == []
    assert "not recorded" in caplog.text


def test_a_message_that_never_arrives_is_given_up(sessions: Sessions) -> None:
    with receiving(saying(500)) as receiver:
        make_webhook(sessions, receiver.url, tests=1)
        for _ in range(12):
            deliver(sessions)
            make_due(sessions)
    (delivery,) = deliveries(sessions)
    assert isinstance(delivery, Delivery)
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.failed, 10)
    assert ids(receiver) == [delivery.id] * 10
