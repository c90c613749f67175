"""Every table there is, for those who need them all."""

from db.access import ApiKey, AuditEntry, KeyTurn, Secret
from db.base import Base
from db.dataset_models import Dataset
from db.heartbeats import Heartbeat
from db.labels import JobLabel
from db.logs import LogLine
from db.models import (
    Answer,
    Artifact,
    BlockReport,
    Estimate,
    EventCounter,
    Job,
    JobEvent,
    Sweep,
    Worker,
)
from db.trigger_models import Trigger, TriggerDelivery
from db.webhook_models import Delivery, Webhook

__all__ = [
    "Answer",
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Base",
    "BlockReport",
    "Dataset",
    "Delivery",
    "Estimate",
    "EventCounter",
    "Heartbeat",
    "Job",
    "JobEvent",
    "JobLabel",
    "KeyTurn",
    "LogLine",
    "Secret",
    "Sweep",
    "Trigger",
    "TriggerDelivery",
    "Webhook",
    "Worker",
]
