"""Deliveries as whoever sends them sees them: claimed, sent, settled."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.redaction import redact
from db.tables.webhooks import Delivery, DeliveryStatus, Webhook
from db.webhooks.repository import GONE
from db.webhooks.retries import Chance, retry_delay

SENT_WITHIN = timedelta(minutes=1)
"""After this a claimed delivery without an outcome is sent once more."""
LOGGED = 20
ERROR_LENGTH = 500


@dataclass(frozen=True)
class Claimed:
    """A delivery that is to be sent now, and all it takes.

    Attributes:
        secrets: what to sign with; the newest first, behind it a former one that still lives.
        attempt: which one this is, counted from 1.
        until: when another may claim it; with the attempt, what an outcome is fenced by.
    """

    id: str
    webhook_id: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    body: str = field(repr=False)
    attempt: int
    until: datetime


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt.

    Attributes:
        seconds: how long it took.
        status: how the address answered; None where it did not.
        error: what went wrong in words, if it was not the answer itself.
        retry_after: how long the answer asks to be left alone.
    """

    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the message has arrived."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the address wants nothing any more."""
        return self.status == 410


class DispatchRepository:
    """The deliveries in one session, which this never commits, on their way out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def is_due(self, without: Collection[str] = ()) -> bool:
        """Whether something is to be sent; cheap enough to ask all the time.

        What goes to the webhooks in ``without`` does not count.
        """
        return self._session.scalar(_due(without).limit(1)) is not None

    def claim(self, limit: int, without: Collection[str] = ()) -> list[Claimed]:
        """Take up to ``limit`` deliveries that are due, the longest overdue first.

        Of two that ask at once each gets its own. Who claims one has a minute to send and settle
        it: then it is due again. What goes to the webhooks in ``without`` is left alone.
        """
        due = _due(without).order_by(Delivery.next_attempt_at, Delivery.id).limit(limit)
        ids = self._session.scalars(due.with_for_update(skip_locked=True, of=Delivery)).all()
        taken = {"attempts": Delivery.attempts + 1, "noted_at": now()}
        taken["next_attempt_at"] = now(SENT_WITHIN)
        self._session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids))
            .values(taken)
            .execution_options(synchronize_session=False)
        )
        return self._read(ids)

    def settle(self, claimed: Claimed, outcome: Outcome, chance: Chance = random.random) -> bool:
        """Note what came of an attempt: delivered, to be tried again, or failed.

        False says that the delivery was claimed or sent anew meanwhile, or is gone.
        """
        if outcome.is_gone:  # the webhook before its delivery, as whoever deletes them locks them
            self._disable(claimed)
        mine = select(Delivery).where(Delivery.id == claimed.id, *_fence(claimed))
        mine = mine.with_for_update().execution_options(populate_existing=True)
        if (delivery := self._session.scalar(mine)) is None:
            return False
        at = self._session.scalars(select(now())).one()
        delivery.log = [*delivery.log, _entry(at, outcome)][-LOGGED:]
        delivery.status, wait = _verdict(claimed.attempt, outcome, chance)
        delivery.next_attempt_at = None if wait is None else at + wait
        delivery.noted_at = at
        delivery.finished_at = at if wait is None else None
        self._session.flush()
        return True

    def _read(self, ids: Sequence[str]) -> list[Claimed]:
        former = case((Webhook.former_until > now(), Webhook.former_secret))
        query = select(Delivery, Webhook.url, Webhook.secret, former).join(Webhook)
        query = query.where(Delivery.id.in_(ids)).execution_options(populate_existing=True)
        rows = {row[0].id: row for row in self._session.execute(query)}
        return [_claimed(*rows[one]) for one in ids if one in rows]

    def _disable(self, claimed: Claimed) -> None:
        """Send nothing more to an address that wants nothing, unless it was changed meanwhile."""
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


def _fence(claimed: Claimed) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.status == DeliveryStatus.pending,
        Delivery.attempts == claimed.attempt,
        Delivery.next_attempt_at == claimed.until,
    )


def _claimed(delivery: Delivery, url: str, secret: str, former: str | None) -> Claimed:
    assert delivery.next_attempt_at is not None  # noqa: S101 - it was set by the claim
    return Claimed(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        url=url,
        secrets=(secret,) if former is None else (secret, former),
        body=delivery.body,
        attempt=delivery.attempts,
        until=delivery.next_attempt_at,
    )


def _verdict(
    attempt: int, outcome: Outcome, chance: Chance
) -> tuple[DeliveryStatus, timedelta | None]:
    """Return what becomes of a delivery, and how long it waits if it is tried again."""
    if outcome.is_delivered:
        return DeliveryStatus.delivered, None
    if outcome.is_gone:
        return DeliveryStatus.failed, None
    wait = retry_delay(attempt, chance, outcome.retry_after)
    return (DeliveryStatus.failed if wait is None else DeliveryStatus.pending), wait


def _entry(at: datetime, outcome: Outcome) -> dict[str, Any]:
    error = None if outcome.error is None else redact(outcome.error)[:ERROR_LENGTH]
    return {
        "at": at.isoformat(),
        "status": outcome.status,
        "seconds": round(outcome.seconds, 3),
        "error": error,
    }
