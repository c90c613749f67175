"""All tables, for migrations and tests."""

from db.tables.access import ApiKey, AuditEntry, LastClaim, Secret
from db.tables.artifacts import Artifact
from db.tables.base import Base
from db.tables.caller_secrets import CallerSecret
from db.tables.daily_use import DailyUse
from db.tables.datasets import Dataset
from db.tables.heartbeats import Heartbeat
from db.tables.jobs import (
    BlockReport,
    Estimate,
    EventCounter,
    Job,
    JobEvent,
    StoredResponse,
    Sweep,
    Worker,
)
from db.tables.labels import JobLabel
from db.tables.logs import LogLine
from db.tables.outputs import Output
from db.tables.past_attempts import PastAttempt
from db.tables.samples import QueueSample, WorkerSample
from db.tables.trials import Trial
from db.tables.triggers import Trigger, TriggerDelivery
from db.tables.webhooks import Delivery, Webhook

__all__ = [
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Base",
    "BlockReport",
    "CallerSecret",
    "DailyUse",
    "Dataset",
    "Delivery",
    "Estimate",
    "EventCounter",
    "Heartbeat",
    "Job",
    "JobEvent",
    "JobLabel",
    "LastClaim",
    "LogLine",
    "Output",
    "PastAttempt",
    "QueueSample",
    "Secret",
    "StoredResponse",
    "Sweep",
    "Trial",
    "Trigger",
    "TriggerDelivery",
    "Webhook",
    "Worker",
    "WorkerSample",
]
