"""One pruning of a job's model: a sweep and, if the job has one, a recovery."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.core.states import Phase
from worker.jobs.dense_loss_cache import CachedDenseLosses
from worker.jobs.increments.pruned_model import PrunedModel
from worker.jobs.job_report import pruned_model
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.recovered_model import RecoveredModel
from worker.jobs.recovery import planned_recovery, sweep_share
from worker.jobs.result.weights import WeightMeasure
from worker.jobs.sweep import start_sweep
from worker.pruning.sweep.results import BlockResult


@dataclass(frozen=True)
class EarlierIncrement:
    """The increment before the one that is made.

    Attributes:
        folder: the folder of the model that the increment before has pruned.
        dense_losses: the dense model's loss on each evaluation window.
    """

    folder: Path
    dense_losses: Sequence[float]


def prune_model(
    job: OpenedJob,
    out: Path,
    cached: CachedDenseLosses,
    start: float,
    end: float,
    earlier: EarlierIncrement | None = None,
) -> Generator[JobProgress, None, PrunedModel]:
    """Prune the model, and train it if the job has a recovery.

    Args:
        job: the job, or the part of it that one increment does.
        out: an existing folder for the model, empty or with the files of an earlier run.
        cached: the dense model's losses, which are stored once they are measured.
        start, end: the shares of the whole job that are done before and after.
        earlier: the increment before; None to prune the dense model.

    Raises:
        PruningError: the model or the available memory does not allow it, or a result is not
            finite.
        OSError: the disk has too little space for a recovery.
    """
    recovery = planned_recovery(job, out)
    folder = recovery.pruned if recovery else out
    folder.mkdir(exist_ok=True)
    known = earlier.dense_losses if earlier else cached.read()
    source = earlier.folder if earlier else None
    sweep = start_sweep(job, folder, known, source, measured_weights(job))
    share = sweep_share(sweep.seconds, recovery.plan.seconds) if recovery else 1.0
    swept = start + share * (end - start)
    yield JobProgress(Phase.calibrating, start, resumed_from_block=sweep.resumed_from_block)
    blocks: list[BlockResult] = []
    result = yield from sweep.run(blocks, start, swept)
    if result.dense_losses and not result.dense_loss_known:
        cached.write(result.dense_losses)
    recovered = None
    if recovery:
        recovery_result = yield from recovery.run(blocks, swept, end)
        recovered = RecoveredModel.count(recovery, recovery_result, blocks)
    return pruned_model(job, result, blocks, recovered)


def measured_weights(job: OpenedJob) -> WeightMeasure | None:
    """Return what measures the weights that a sweep writes; None if they are not the last ones.

    A recovery, and the cutting, write other files.
    """
    return None if job.recovery or job.is_rewritten else WeightMeasure.of(job)
