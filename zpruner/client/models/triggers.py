"""Responses about triggers and their deliveries."""

from datetime import datetime
from typing import Any

from zpruner.client.models.jobs import Preview, Problem, ResponseModel


class Trigger(ResponseModel):
    """A trigger without its secret; calls from another system submit the job in ``job``."""

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
    """A trigger with its secret, which is never shown again."""

    secret: str


class TriggerTest(ResponseModel):
    """The outcome that a call with the tested payload would have."""

    outcome: str
    reason: str | None = None
    job: Preview | None = None


class TriggerDelivery(ResponseModel):
    """An authenticated call to a trigger, with its outcome."""

    id: str
    trigger_id: str
    delivery_id: str
    outcome: str
    reason: str | None = None
    job_id: str | None = None
    problem: Problem | None = None
    created_at: datetime
