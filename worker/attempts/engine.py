"""The door to the pruning engine."""

from collections.abc import Generator
from importlib import import_module
from pathlib import Path

from db.spec.prune_spec import PruneSpec
from worker.attempts.run import Outcome, Step
from worker.jobs.resources import Resources


def prune(spec: PruneSpec, out: Path, resources: Resources) -> Generator[Step, None, Outcome]:
    """Run ``worker.jobs.prune.prune``, imported at its first step.

    The Celery parent imports this module and must never import torch: it would keep hundreds of
    megabytes for life, and CUDA must not be touched before the child starts. Imported inside the
    claimed job, a broken installation also ends as that job's error.
    """
    engine = import_module("worker.jobs.prune")
    outcome: Outcome = yield from engine.prune(spec, out, resources)
    return outcome
