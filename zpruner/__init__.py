"""The Python client and command line of the Z-Pruner service."""

from zpruner.client import Client
from zpruner.download import CorruptedError
from zpruner.models import Artifact, Event, Job, LogLine, Problem, Queue, Worker
from zpruner.transport import ProblemError, ServiceError

__all__ = [
    "Artifact",
    "Client",
    "CorruptedError",
    "Event",
    "Job",
    "LogLine",
    "Problem",
    "ProblemError",
    "Queue",
    "ServiceError",
    "Worker",
]
