"""Comparison of a real job's metrics with those that a gate on the job may bound."""

from collections.abc import Mapping
from typing import Any

from db.spec.metrics import metrics_of
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import is_number

CONDITIONAL = {
    "device_peak_memory_bytes",  # with CUDA
    "predicted_device_peak_memory_bytes",
    "predicted_seconds",  # where the machine's speed is known
    "protocol.documents",  # of text
    "speed.memory_ratio",  # of models that are large enough
    "stopped_at_step",  # of jobs that their gate stops
    "waiting_share",  # where the system counts how long threads wait
}
"""Metrics that depend on more than the specification."""


def numbers(metrics: Mapping[str, Any], path: str = "") -> set[str]:
    """Return the names of all numbers, those inside of objects with a dot."""
    found = set()
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{path}{name}.")
        elif is_number(value):
            found.add(path + name)
    return found


def require_announced(spec: PruneSpec, metrics: Mapping[str, Any]) -> None:
    """Require that a job has measured what its specification announces, and no more."""
    assert numbers(metrics) | CONDITIONAL == set(metrics_of(spec)) | CONDITIONAL


def require_announced_in(report: Mapping[str, Any]) -> None:
    """Require it of the job of a ``report.json``."""
    require_announced(PruneSpec.model_validate(report["spec"]), report["metrics"])
