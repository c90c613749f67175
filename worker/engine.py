"""The door to the pruning engine."""

from collections.abc import Generator, Sequence
from importlib import import_module
from pathlib import Path

from db.spec import PruneSpec
from worker.run import Outcome, Step


def prune(
    spec: PruneSpec,
    out: Path,
    *,
    model_roots: Sequence[Path] | None,
    dataset_roots: Sequence[Path] | None,
    device: str,
    memory_budget_bytes: int | None,
    devices: int,
    baselines: Path | None,
    speeds: Path | None,
) -> Generator[Step, None, Outcome]:
    """Run ``worker.prune.prune``, imported at its first step.

    The Celery parent imports this module and must never import torch: it would keep hundreds of
    megabytes for life, and CUDA must not be touched before the child starts. Imported inside the
    claimed job, a broken installation also ends as that job's error.
    """
    engine = import_module("worker.prune")
    outcome: Outcome = yield from engine.prune(
        spec,
        out,
        model_roots=model_roots,
        dataset_roots=dataset_roots,
        device=device,
        memory_budget_bytes=memory_budget_bytes,
        devices=devices,
        baselines=baselines,
        speeds=speeds,
    )
    return outcome
