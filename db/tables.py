"""Every table there is, for those who need them all."""

from db.access import ApiKey, AuditEntry, KeyTurn, Secret
from db.base import Base
from db.dataset_models import Dataset
from db.labels import JobLabel
from db.models import (
    Answer,
    Artifact,
    BlockReport,
    Estimate,
    EventCounter,
    Job,
    JobEvent,
    LogLine,
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
