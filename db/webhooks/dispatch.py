"""The claims of due deliveries, and the results of the attempts to send them."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.redaction import redact
from db.core.retry_schedule import RandomSource, RetrySchedule
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks.repository import GONE

CLAIMED_FOR = timedelta(minutes=1)
"""The time after which a claimed delivery without a recorded result is sent again."""
LOG_LENGTH = 20
ERROR_LENGTH = 500
RETRIES = RetrySchedule(
    (
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=10),
        timedelta(hours=14),
        timedelta(hours=20),
        timedelta(hours=24),
    )
)


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery to send now.

    Attributes:
        secrets: the secrets to sign with: the current one, then the former one if still valid.
        attempt: the number of the attempt, from 1.
        until: the end of the claim. A result is recorded only if the delivery's row still has this
            ``attempt`` and this ``until``.
    """

    id: str
    webhook_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    body: str = field(repr=False)
    attempt: int
    until: datetime


@dataclass(frozen=True)
class SendResult:
    """The result of one attempt.

    Attributes:
        seconds: the duration of the attempt.
        status: the HTTP status of the response; None without a response.
        error: a description of the error; None if there was none, or if the status shows it.
        retry_after: the delay that the response asks for.
    """

    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver accepted the message."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver asked for no further messages."""
        return self.status == 410


class DispatchRepository:
    """Claims deliveries and records the results of attempts; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def is_due(self, without: Collection[str] = ()) -> bool:
        """Return whether any delivery is due; cheap enough to call often.

        Deliveries to the webhooks in ``without`` are ignored.
        """
        return self._session.scalar(_due(without).limit(1)) is not None

    def claim(self, limit: int, without: Collection[str] = ()) -> list[ClaimedDelivery]:
        """Claim up to ``limit`` due deliveries, the most overdue first.

        Concurrent callers get different deliveries. A claimed delivery is due again after
        `CLAIMED_FOR`, unless a result is recorded before. Deliveries to the webhooks in ``without``
        are not claimed.
        """
        due = _due(without).order_by(Delivery.next_attempt_at, Delivery.id).limit(limit)
        ids = self._session.scalars(due.with_for_update(skip_locked=True, of=Delivery)).all()
        claim = {"attempts": Delivery.attempts + 1, "noted_at": now()}
        claim["next_attempt_at"] = now(CLAIMED_FOR)
        self._session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids))
            .values(claim)
            .execution_options(synchronize_session=False)
        )
        return self._read(ids)

    def record_result(
        self,
        claimed: ClaimedDelivery,
        result: SendResult,
        random_source: RandomSource = random.random,
    ) -> bool:
        """Record the result of an attempt: the delivery succeeded, failed, or will be retried.

        Return False, and record nothing, if the delivery was claimed again, enqueued again or
        deleted in the meantime. Even then, a webhook that responded with 410 is disabled, unless
        its URL has changed since the claim.
        """
        if result.is_gone:  # locks the webhook before its delivery, as a deletion does
            self._disable(claimed)
        held = select(Delivery).where(Delivery.id == claimed.id, *_is_held(claimed))
        held = held.with_for_update().execution_options(populate_existing=True)
        if (delivery := self._session.scalar(held)) is None:
            return False
        at = self._session.scalars(select(now())).one()
        delivery.log = [*delivery.log, _entry(at, result)][-LOG_LENGTH:]
        delivery.status, wait = _next_status(claimed.attempt, result, random_source)
        delivery.next_attempt_at = None if wait is None else at + wait
        delivery.noted_at = at
        delivery.finished_at = at if wait is None else None
        self._session.flush()
        return True

    def _read(self, ids: Sequence[str]) -> list[ClaimedDelivery]:
        former = case((Webhook.former_until > now(), Webhook.former_secret))
        query = select(Delivery, Webhook.url, Webhook.secret, former).join(Webhook)
        query = query.where(Delivery.id.in_(ids)).execution_options(populate_existing=True)
        rows = {row[0].id: row for row in self._session.execute(query)}
        return [_claimed(*rows[delivery_id]) for delivery_id in ids if delivery_id in rows]

    def _disable(self, claimed: ClaimedDelivery) -> None:
        """Disable a webhook whose receiver responded with 410, unless its URL has changed since."""
        self._session.execute(
            update(Webhook)
            .where(Webhook.id == claimed.webhook_id, Webhook.url == claimed.url)
            .where(Webhook.disabled_at.is_(None))
            .values(disabled_at=now(), disabled_reason=GONE)
            .execution_options(synchronize_session=False)
        )


def _due(without: Collection[str]) -> Select[str]:
    query = select(Delivery.id).join(Webhook).where(Delivery.status == DeliveryStatus.pending)
    is_over = or_(Delivery.next_attempt_at <= now(), was_set_back(Delivery.noted_at))
    query = query.where(is_over, Webhook.disabled_at.is_(None))
    return query.where(Webhook.id.not_in(without)) if without else query


def _is_held(claimed: ClaimedDelivery) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.status == DeliveryStatus.pending,
        Delivery.attempts == claimed.attempt,
        Delivery.next_attempt_at == claimed.until,
    )


def _claimed(delivery: Delivery, url: str, secret: str, former: str | None) -> ClaimedDelivery:
    assert delivery.next_attempt_at is not None  # noqa: S101 - it was set by the claim
    return ClaimedDelivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        url=url,
        secrets=(secret,) if former is None else (secret, former),
        body=delivery.body,
        attempt=delivery.attempts,
        until=delivery.next_attempt_at,
    )


def _next_status(
    attempt: int, result: SendResult, random_source: RandomSource
) -> tuple[DeliveryStatus, timedelta | None]:
    """Return the delivery's next status and the delay before its retry; None without a retry."""
    if result.is_delivered:
        return DeliveryStatus.delivered, None
    if result.is_gone:
        return DeliveryStatus.failed, None
    wait = RETRIES.delay(attempt, random_source, result.retry_after)
    return (DeliveryStatus.failed if wait is None else DeliveryStatus.pending), wait


def _entry(at: datetime, result: SendResult) -> dict[str, Any]:
    error = None if result.error is None else redact(result.error)[:ERROR_LENGTH]
    return {
        "at": at.isoformat(),
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "error": error,
    }
