"""The fan-out of events: each event becomes one delivery for every webhook subscribed to it."""

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from db.core.ids import new_id
from db.core.session import Sessions
from db.events.event_order import EventOrder
from db.tables.jobs import EventCounter, Job, JobEvent
from db.tables.trials import TRIAL
from db.tables.webhooks import Delivery, Webhook
from db.webhooks.cloudevents import job_body
from db.webhooks.event_types import STATUS, EventType

BATCH_SIZE = 500


class FanOut:
    """Creates deliveries from events; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lagging(self) -> list[str]:
        """Return the ids of enabled webhooks with new events; cheap enough to call often."""
        return list(self._session.connection().scalars(_LAGGING))

    def enqueue(self, webhook_id: str) -> int:
        """Create the deliveries of a webhook's next events, and return how many were created.

        One call creates at most `BATCH_SIZE` deliveries. A concurrent call for the same webhook
        waits, and then skips these events.
        """
        last = EventOrder(self._session).last_position()
        locked = select(Webhook).where(
            Webhook.id == webhook_id, *_IS_ENABLED, Webhook.position < last
        )
        locked = locked.with_for_update().execution_options(populate_existing=True)
        if (webhook := self._session.scalar(locked)) is None:
            return 0
        rows = self._events(webhook, last)
        self._session.add_all(_delivery(webhook.id, event, job) for event, job in rows)
        webhook.position = last if len(rows) < BATCH_SIZE else (rows[-1][0].position or last)
        self._session.flush()
        return len(rows)

    def catch_up(self) -> None:
        """Create the deliveries of all committed events; call this before events are deleted."""
        if self._session.scalar(select(Webhook.id).where(*_IS_ENABLED).limit(1)) is None:
            return
        EventOrder(self._session).assign_all_positions()
        while sum(self.enqueue(webhook_id) for webhook_id in self.lagging()):
            pass

    def _events(self, webhook: Webhook, last: int) -> list[tuple[JobEvent, Job]]:
        query = select(JobEvent, Job).join(Job, Job.id == JobEvent.job_id)
        query = query.where(JobEvent.position > webhook.position, JobEvent.position <= last)
        query = query.where(_is_wanted([EventType(name) for name in webhook.events]))
        query = query.where(Job.method != TRIAL)
        rows = self._session.execute(query.order_by(JobEvent.position).limit(BATCH_SIZE))
        return [(event, job) for event, job in rows]


def fan_out(sessions: Sessions) -> int:
    """Create deliveries from new events, and return their number.

    Each webhook has a transaction of its own, so that other writers never wait for long.
    """
    with sessions() as session:
        lagging = FanOut(session).lagging()
    created = 0
    for webhook_id in lagging:
        with sessions.begin() as session:
            created += FanOut(session).enqueue(webhook_id)
    return created


def _delivery(webhook_id: str, event: JobEvent, job: Job) -> Delivery:
    message_id = new_id("msg")
    return Delivery(
        id=message_id,
        webhook_id=webhook_id,
        type=EventType.of(event.kind, event.status),
        job_id=job.id,
        position=event.position,
        body=job_body(message_id, event, job),
    )


def _is_wanted(types: list[EventType]) -> ColumnElement[bool]:
    statuses = [event_type.status for event_type in types if event_type.status is not None]
    kinds = [event_type.name for event_type in types if event_type.status is None]
    return or_((JobEvent.kind == STATUS) & JobEvent.status.in_(statuses), JobEvent.kind.in_(kinds))


_IS_ENABLED = (Webhook.disabled_at.is_(None),)
_NEWEST = select(EventCounter.last_position).scalar_subquery()
_LAGGING = select(Webhook.id).where(*_IS_ENABLED, Webhook.position < _NEWEST).order_by(Webhook.id)
