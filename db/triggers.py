"""The repository of triggers and of the calls that they have received."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.exc import IntegrityError

from db.core.clock import now
from db.core.errors import TriggerNotFoundError
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome
from db.webhooks.secret_rows import SecretRows, new_secret

KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True)
class CallId:
    """Identifies a call of a trigger.

    Two calls are the same if they have the same id or, for some sources, the same body.
    """

    delivery_id: str
    body_digest: str | None = None


class DuplicateCallError(Exception):
    """A concurrent request has recorded the same call.

    The caller should roll back and return the stored result.
    """


class TriggerRepository(SecretRows[Trigger]):
    """Creates, reads, changes and deletes triggers, and records their calls; never commits."""

    table = Trigger
    error = TriggerNotFoundError

    def create(self, **fields: Any) -> Trigger:
        """Create a trigger with a new secret."""
        trigger = Trigger(secret=new_secret(), **fields)
        self._session.add(trigger)
        self._session.flush()
        return trigger

    def find(self, trigger_id: str) -> tuple[Trigger | None, list[str]]:
        """Return the trigger and its valid secrets; None and an empty list if it does not exist."""
        query = select(Trigger, Trigger.former_until > now()).where(Trigger.id == trigger_id)
        row = self._session.execute(query).one_or_none()
        if row is None:
            return None, []
        trigger, has_former = row
        former = trigger.former_secret if has_former else None
        return trigger, [trigger.secret, *([] if former is None else [former])]

    def change(self, trigger_id: str, **values: Any) -> Trigger:
        """Change a trigger's ``name``, ``job``, ``filter`` or ``map``.

        Raises:
            TriggerNotFoundError: there is no such trigger.
        """
        return self._set(trigger_id, **values) if values else self.get(trigger_id)

    def final_delivery(self, trigger_id: str, call: CallId) -> TriggerDelivery | None:
        """Return the row of a call; None if the call is new or was refused."""
        done = _same_call(trigger_id, call).where(TriggerDelivery.outcome != TriggerOutcome.refused)
        return self._session.scalar(done)

    def record(self, trigger_id: str, call: CallId, **result: Any) -> TriggerDelivery:
        """Record the result of a call; it replaces an earlier refusal of the same call.

        Raises:
            DuplicateCallError: a concurrent request has recorded the call.
        """
        result = {"reason": None, "job_id": None, "problem": None} | result
        refused = _same_call(trigger_id, call).where(
            TriggerDelivery.outcome == TriggerOutcome.refused
        )
        delivery = self._session.scalar(refused.with_for_update())
        if delivery is None:
            delivery = TriggerDelivery(
                trigger_id=trigger_id, delivery_id=call.delivery_id, body_digest=call.body_digest
            )
            self._session.add(delivery)
        for field, value in result.items():
            setattr(delivery, field, value)
        try:
            self._session.flush()
        except IntegrityError:
            raise DuplicateCallError(call.delivery_id) from None
        return delivery

    def deliveries(
        self, trigger_id: str, *, limit: int = 50, after: str | None = None
    ) -> list[TriggerDelivery]:
        """Return up to ``limit`` of a trigger's calls, newest first.

        With ``after``, the id of a recorded call, return only calls that are older than that one.
        """
        query = select(TriggerDelivery).where(TriggerDelivery.trigger_id == trigger_id)
        if after is not None:
            query = query.where(TriggerDelivery.id < after)
        return list(self._session.scalars(query.order_by(TriggerDelivery.id.desc()).limit(limit)))

    def purge(self) -> int:
        """Delete the calls older than `KEPT_FOR`, and return their number."""
        old = delete(TriggerDelivery).where(TriggerDelivery.created_at < now(-KEPT_FOR))
        old_ids = old.returning(TriggerDelivery.id).execution_options(synchronize_session=False)
        return len(self._session.scalars(old_ids).all())


def _same_call(trigger_id: str, call: CallId) -> Select[TriggerDelivery]:
    same = TriggerDelivery.delivery_id == call.delivery_id
    if call.body_digest is not None:
        same = or_(same, TriggerDelivery.body_digest == call.body_digest)
    query = select(TriggerDelivery).where(TriggerDelivery.trigger_id == trigger_id, same)
    return query.order_by(TriggerDelivery.id).limit(1)
