"""The pruning engine, imported only where a job runs."""

from collections.abc import Generator
from importlib import import_module
from pathlib import Path

from db.spec.prune_spec import PruneSpec
from db.spec.trials import TrialRequest
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.jobs.trials.tried_model import TriedModel


def prune(
    spec: PruneSpec, out: Path, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Import ``worker.jobs.prune`` and run its ``prune``.

    Celery's parent process imports this module, but must not import torch. Torch would take up
    hundreds of megabytes in that process, and CUDA must not be initialised before the fork. The
    import happens inside the claimed job, so a broken installation fails that job.
    """
    engine = import_module("worker.jobs.prune")
    result: JobResult = yield from engine.prune(spec, out, resources)
    return result


def answer(
    spec: PruneSpec, request: TrialRequest, tried: TriedModel, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Import ``worker.jobs.trials.answer`` and run its ``answer``, as `prune` does."""
    engine = import_module("worker.jobs.trials.answer")
    result: JobResult = yield from engine.answer(spec, request, tried, resources)
    return result
