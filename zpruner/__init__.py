"""The Python client and command line of the Z-Pruner service."""

from zpruner.client import Client
from zpruner.download import CorruptedError
from zpruner.models import (
    Artifact,
    Dataset,
    Eta,
    Event,
    FileLink,
    Job,
    LogLine,
    Problem,
    Queue,
    Worker,
)
from zpruner.planning_models import Comparison, Estimate, Sweep
from zpruner.transport import NoFilesError, ProblemError, ServiceError
from zpruner.trigger_models import Trigger, TriggerDelivery
from zpruner.webhook_models import Delivery, Webhook

__all__ = [
    "Artifact",
    "Client",
    "Comparison",
    "CorruptedError",
    "Dataset",
    "Delivery",
    "Estimate",
    "Eta",
    "Event",
    "FileLink",
    "Job",
    "LogLine",
    "NoFilesError",
    "Problem",
    "ProblemError",
    "Queue",
    "ServiceError",
    "Sweep",
    "Trigger",
    "TriggerDelivery",
    "Webhook",
    "Worker",
]
