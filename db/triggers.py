"""The triggers, and what came in for each."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, null, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import TriggerNotFoundError
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome
from db.webhooks.repository import new_secret

KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True)
class CallName:
    """What tells one call of a trigger from another: its id, and of some sources its body."""

    delivery_id: str
    body_digest: str | None = None


class DeliveryTakenError(Exception):
    """The same call has been settled meanwhile: roll back, and read what came of it."""


class TriggerRepository:
    """The triggers in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, **fields: Any) -> Trigger:
        """Make a trigger with a secret of its own."""
        trigger = Trigger(secret=new_secret(), **fields)
        self._session.add(trigger)
        self._session.flush()
        return trigger

    def get(self, trigger_id: str) -> Trigger:
        """Return the trigger as the database has it now.

        Raises:
            TriggerNotFoundError: there is none.
        """
        if (found := self._session.get(Trigger, trigger_id, populate_existing=True)) is None:
            raise TriggerNotFoundError(trigger_id)
        return found

    def all(self) -> list[Trigger]:
        """Return every trigger, newest first."""
        return list(self._session.scalars(select(Trigger).order_by(Trigger.id.desc())))

    def find(self, trigger_id: str) -> tuple[Trigger | None, list[str]]:
        """Return the trigger, if there is one, and the secrets that are good for it now."""
        query = select(Trigger, Trigger.former_until > now()).where(Trigger.id == trigger_id)
        row = self._session.execute(query).one_or_none()
        if row is None:
            return None, []
        trigger, has_former = row
        former = trigger.former_secret if has_former else None
        return trigger, [trigger.secret, *([] if former is None else [former])]

    def change(self, trigger_id: str, **values: Any) -> Trigger:
        """Give a trigger another ``name``, ``job``, ``filter`` or ``map``.

        Raises:
            TriggerNotFoundError: there is none.
        """
        return self._set(trigger_id, **values) if values else self.get(trigger_id)

    def rotate(self, trigger_id: str, grace: timedelta) -> Trigger:
        """Give a trigger a new secret; the one until now is good for ``grace`` more.

        Raises:
            TriggerNotFoundError: there is none.
        """
        former = {"former_secret": Trigger.secret, "former_until": now(grace)}
        if not grace:
            former = {"former_secret": null(), "former_until": null()}
        return self._set(trigger_id, secret=new_secret(), **former)

    def delete(self, trigger_id: str) -> None:
        """Delete a trigger with the record of its calls; the jobs stay.

        Raises:
            TriggerNotFoundError: there is none.
        """
        gone = delete(Trigger).where(Trigger.id == trigger_id).returning(Trigger.id)
        gone = gone.execution_options(synchronize_session=False)
        if self._session.scalar(gone) is None:
            raise TriggerNotFoundError(trigger_id)

    def settled(self, trigger_id: str, name: CallName) -> TriggerDelivery | None:
        """Return what came of a call; None if it may still start a job, as a refused one may."""
        done = _of(trigger_id, name).where(TriggerDelivery.outcome != TriggerOutcome.refused)
        return self._session.scalar(done)

    def settle(self, trigger_id: str, name: CallName, **came: Any) -> TriggerDelivery:
        """Note what came of a call; a call that was refused before may end differently.

        Raises:
            DeliveryTakenError: another request with it has been settled meanwhile.
        """
        came = {"reason": None, "job_id": None, "problem": None} | came
        refused = _of(trigger_id, name).where(TriggerDelivery.outcome == TriggerOutcome.refused)
        delivery = self._session.scalar(refused.with_for_update())
        if delivery is None:
            delivery = TriggerDelivery(
                trigger_id=trigger_id, delivery_id=name.delivery_id, body_digest=name.body_digest
            )
            self._session.add(delivery)
        for field, value in came.items():
            setattr(delivery, field, value)
        try:
            self._session.flush()
        except IntegrityError:
            raise DeliveryTakenError(name.delivery_id) from None
        return delivery

    def deliveries(
        self, trigger_id: str, *, limit: int = 50, after: str | None = None
    ) -> list[TriggerDelivery]:
        """Return calls of a trigger, newest first, that came before the one named ``after``."""
        query = select(TriggerDelivery).where(TriggerDelivery.trigger_id == trigger_id)
        if after is not None:
            query = query.where(TriggerDelivery.id < after)
        return list(self._session.scalars(query.order_by(TriggerDelivery.id.desc()).limit(limit)))

    def purge(self) -> int:
        """Forget the calls of long ago, and return how many those were."""
        old = delete(TriggerDelivery).where(TriggerDelivery.created_at < now(-KEPT_FOR))
        old_ids = old.returning(TriggerDelivery.id).execution_options(synchronize_session=False)
        return len(self._session.scalars(old_ids).all())

    def _set(self, trigger_id: str, **values: Any) -> Trigger:
        changed = self._session.scalar(
            update(Trigger)
            .where(Trigger.id == trigger_id)
            .values(**values)
            .returning(Trigger)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        if changed is None:
            raise TriggerNotFoundError(trigger_id)
        return changed


def _of(trigger_id: str, name: CallName) -> Select[TriggerDelivery]:
    same = TriggerDelivery.delivery_id == name.delivery_id
    if name.body_digest is not None:
        same = or_(same, TriggerDelivery.body_digest == name.body_digest)
    query = select(TriggerDelivery).where(TriggerDelivery.trigger_id == trigger_id, same)
    return query.order_by(TriggerDelivery.id).limit(1)
