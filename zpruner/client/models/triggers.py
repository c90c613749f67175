"""Triggers, and what came in for them, as the service answers."""

from datetime import datetime
from typing import Any

from zpruner.client.models.jobs import Answer, Preview, Problem


class Trigger(Answer):
    """A job that another system starts, without its secret."""

    id: str
    name: str
    source: str
    job: dict[str, Any] = {}
    filter: dict[str, Any] = {}
    map: dict[str, str] = {}
    hook: str
    former_until: datetime | None = None
    created_at: datetime
    created_by: str | None = None


class NewTrigger(Trigger):
    """A trigger with its secret, which the service shows this once."""

    secret: str


class TriggerTest(Answer):
    """What would come of a call."""

    outcome: str
    reason: str | None = None
    job: Preview | None = None


class TriggerDelivery(Answer):
    """One call of a trigger that proved itself."""

    id: str
    trigger_id: str
    delivery_id: str
    outcome: str
    reason: str | None = None
    job_id: str | None = None
    problem: Problem | None = None
    created_at: datetime
