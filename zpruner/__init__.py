"""The Python client and command line of the Z-Pruner service."""

from zpruner.client import Client
from zpruner.download import CorruptedError
from zpruner.models import Artifact, Comparison, Estimate, Event, Job, Problem, Sweep
from zpruner.transport import ProblemError, ServiceError

__all__ = [
    "Artifact",
    "Client",
    "Comparison",
    "CorruptedError",
    "Estimate",
    "Event",
    "Job",
    "Problem",
    "ProblemError",
    "ServiceError",
    "Sweep",
]
