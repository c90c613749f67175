"""The Python client and command line of the Z-Pruner service."""

from zpruner.client import Client
from zpruner.download import CorruptedError
from zpruner.models import (
    Artifact,
    Comparison,
    Estimate,
    Event,
    Job,
    LogLine,
    Problem,
    Queue,
    Sweep,
    Worker,
)
from zpruner.notices import Delivery, Webhook
from zpruner.transport import ProblemError, ServiceError

__all__ = [
    "Artifact",
    "Client",
    "Comparison",
    "CorruptedError",
    "Delivery",
    "Estimate",
    "Event",
    "Job",
    "LogLine",
    "Problem",
    "ProblemError",
    "Queue",
    "ServiceError",
    "Sweep",
    "Webhook",
    "Worker",
]
