"""The Python client and command line of the Z-Pruner service."""

from zpruner.client.client import AsyncClient, Client
from zpruner.client.job import Job
from zpruner.client.models.jobs import (
    Artifact,
    Dataset,
    Eta,
    Event,
    FileLink,
    LogLine,
    Output,
    Problem,
    Queue,
    Worker,
)
from zpruner.client.models.planning import Comparison, Estimate, Sweep
from zpruner.client.models.storage import Retention, StorageUse
from zpruner.client.models.trials import Trial
from zpruner.client.models.triggers import Trigger, TriggerDelivery
from zpruner.client.models.webhooks import Delivery, Webhook
from zpruner.client.transport.errors import (
    CorruptedError,
    FilesDeletedError,
    NoFilesError,
    ProblemError,
    ServiceError,
)

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
    "FilesDeletedError",
    "Job",
    "LogLine",
    "NoFilesError",
    "Output",
    "Problem",
    "ProblemError",
    "Queue",
    "Retention",
    "ServiceError",
    "StorageUse",
    "Sweep",
    "Trial",
    "Trigger",
    "TriggerDelivery",
    "Webhook",
    "Worker",
]
