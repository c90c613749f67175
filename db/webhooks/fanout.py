"""From events to deliveries: each webhook is told once of each event that it has asked for."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.ids import new_id
from db.core.session import Sessions
from db.events.event_order import EventOrder
from db.tables.jobs import EventCounter, Job, JobEvent
from db.tables.webhooks import Delivery, EventType, Webhook
from db.webhooks.cloudevents import job_body

TOLD_AT_ONCE = 500


class FanOut:
    """The events of all jobs in one session, which this never commits, on their way out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def behind(self) -> list[str]:
        """Return the webhooks that have not been told everything; cheap enough to ask often."""
        newest = select(EventCounter.last_position).scalar_subquery()
        query = select(Webhook.id).where(*_LISTENS, Webhook.position < newest)
        return list(self._session.scalars(query.order_by(Webhook.id)))

    def tell(self, webhook_id: str) -> int:
        """Write down what a webhook is to be told next, and return how much that is.

        Of two that try at once, the second waits and finds nothing left to do.
        """
        last = EventOrder(self._session).last_position()
        mine = select(Webhook).where(Webhook.id == webhook_id, *_LISTENS, Webhook.position < last)
        mine = mine.with_for_update().execution_options(populate_existing=True)
        if (webhook := self._session.scalar(mine)) is None:
            return 0
        rows = self._events(webhook, last)
        self._session.add_all(_delivery(webhook.id, event, job) for event, job in rows)
        webhook.position = last if len(rows) < TOLD_AT_ONCE else (rows[-1][0].position or last)
        self._session.flush()
        return len(rows)

    def catch_up(self) -> None:
        """Tell all that everybody can read so far: some of it is about to be deleted."""
        if self._session.scalar(select(Webhook.id).where(*_LISTENS).limit(1)) is None:
            return
        EventOrder(self._session).assign_all_positions()
        while sum(self.tell(webhook_id) for webhook_id in self.behind()):
            pass

    def _events(self, webhook: Webhook, last: int) -> list[tuple[JobEvent, Job]]:
        statuses = [EventType(one).status for one in webhook.events]
        query = select(JobEvent, Job).join(Job, Job.id == JobEvent.job_id)
        query = query.where(JobEvent.position > webhook.position, JobEvent.position <= last)
        query = query.where(JobEvent.kind == "status", JobEvent.status.in_(statuses))
        rows = self._session.execute(query.order_by(JobEvent.position).limit(TOLD_AT_ONCE))
        return [(event, job) for event, job in rows]


def fan_out(sessions: Sessions) -> int:
    """Write down what the webhooks are to be told, and return how much that is.

    Each has a transaction of its own, so that no other writer waits for all of them.
    """
    with sessions() as session:
        behind = FanOut(session).behind()
    told = 0
    for webhook_id in behind:
        with sessions.begin() as session:
            told += FanOut(session).tell(webhook_id)
    return told


def _delivery(webhook_id: str, event: JobEvent, job: Job) -> Delivery:
    message_id = new_id("msg")
    return Delivery(
        id=message_id,
        webhook_id=webhook_id,
        type=EventType.of(event.status),
        job_id=job.id,
        position=event.position,
        body=job_body(message_id, event, job),
    )


_LISTENS = (Webhook.disabled_at.is_(None),)
