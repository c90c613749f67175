"""The Python client and command line of the Z-Pruner service."""

from zpruner.client import AsyncClient, Client
from zpruner.errors import CorruptedError, NoFilesError, ProblemError, ServiceError
from zpruner.job import Job
from zpruner.models import (
    Artifact,
    Dataset,
    Eta,
    Event,
    FileLink,
    LogLine,
    Problem,
    Queue,
    Worker,
)
from zpruner.planning_models import Comparison, Estimate, Sweep
from zpruner.trigger_models import Trigger, TriggerDelivery
from zpruner.webhook_models import Delivery, Webhook

__all__ = [
    "Artifact",
    "AsyncClient",
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
