from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from db.core.errors import WebhookNotFoundError
from db.core.session import Sessions
from db.events.event_order import order_events
from db.webhooks.event_types import EventType
from db.webhooks.repository import GONE, WebhookRepository
from tests.factories import make_job, make_webhook

DAY = timedelta(days=1)


def test_a_webhook_has_its_own_secret_and_receives_final_events_by_default(
    sessions: Sessions,
) -> None:
    one, other = make_webhook(sessions), make_webhook(sessions)
    assert one.secret != other.secret
    assert one.secret.startswith("whsec_")
    assert len(b64decode(one.secret.removeprefix("whsec_"), validate=True)) == 32
    assert one.events == ["job.succeeded", "job.failed", "job.cancelled", "job.expired"]
    with sessions() as session:
        assert [found.id for found in WebhookRepository(session).all()] == [other.id, one.id]


def test_chosen_events_are_stored_once_and_in_order(sessions: Sessions) -> None:
    chosen = (EventType.failed, EventType.queued, EventType.failed)
    assert make_webhook(sessions, *chosen).events == ["job.queued", "job.failed"]


def test_a_new_webhook_starts_after_all_earlier_events(sessions: Sessions) -> None:
    make_job(sessions)
    order_events(sessions)
    first = make_webhook(sessions)
    make_job(sessions)
    make_job(sessions)
    assert make_webhook(sessions).position == first.position + 2


def test_only_the_given_fields_change(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, description="before")
    with sessions.begin() as session:
        webhooks = WebhookRepository(session)
        webhooks.change(webhook.id, events=[EventType.paused])
        webhooks.change(webhook.id, description="after")
        changed = webhooks.change(webhook.id)
    assert (changed.url, changed.description) == (webhook.url, "after")
    assert changed.events == ["job.paused"]


def test_a_disabled_webhook_keeps_its_first_reason_and_an_enabled_one_has_none(
    sessions: Sessions,
) -> None:
    first = datetime(2026, 1, 5, tzinfo=UTC)
    webhook = make_webhook(sessions, disabled_at=first, disabled_reason=GONE)
    with sessions.begin() as session:
        webhooks = WebhookRepository(session)
        again = webhooks.disable(webhook.id)
        assert (again.disabled_at, again.disabled_reason) == (first, GONE)
        enabled = webhooks.enable(webhook.id)
    assert (enabled.disabled_at, enabled.disabled_reason) == (None, None)


def test_a_former_secret_stays_valid_for_the_grace_period(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    first = webhook.secret
    with sessions.begin() as session:
        webhooks = WebhookRepository(session)
        second = webhooks.rotate(webhook.id, DAY).secret
        rotated = webhooks.get(webhook.id)
        assert (rotated.former_secret, rotated.secret) == (first, second)
        assert rotated.former_until is not None
        assert second != first
        at_once = webhooks.rotate(webhook.id, timedelta(0))
    assert (at_once.former_secret, at_once.former_until) == (None, None)


def test_an_unknown_webhook_cannot_be_changed(sessions: Sessions) -> None:
    with sessions.begin() as session:
        webhooks = WebhookRepository(session)
        for verb in (
            webhooks.get,
            webhooks.enable,
            webhooks.disable,
            webhooks.delete,
            lambda one: webhooks.rotate(one, DAY),
            lambda one: webhooks.change(one, url="https://other.example"),
        ):
            with pytest.raises(WebhookNotFoundError, match="no webhook whk_0"):
                verb("whk_0")
