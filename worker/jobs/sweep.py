"""The sweep of a job, run in this process, or in one process for each device."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from db.core.states import Phase
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.jobs.job_report import block_json
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.recipes import compares_in_sweep
from worker.pruning.base.generators import mapped
from worker.pruning.distributed.launcher import launch
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.head_loss import TokenDistances
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure
from worker.pruning.sweep.pipeline import ModelPruner, SweepStep
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult, UnitProgress

SweepSteps = Generator[SweepStep, None, PruningResult]
_CHOICE = 0.5
"""The share of a sweep that choosing units takes; only roughly, as it depends on the job."""


@dataclass(frozen=True)
class JobSweep:
    """A sweep that is ready to run.

    Attributes:
        steps: a generator that yields each block's result, and a `StageProgress` or
            `UnitProgress` at further points where the sweep may stop; it returns the model's
            result.
        resumed_from_block: the index of the first block that this run prunes, or the number of
            blocks if earlier runs pruned all. None if this run prunes all blocks, or if several
            devices share the sweep.
        seconds: the planned duration of the sweep; None if it is not known.
    """

    steps: SweepSteps
    resumed_from_block: int | None = None
    seconds: float | None = None

    def run(
        self, blocks: list[BlockResult], start: float, end: float
    ) -> Generator[JobProgress, None, PruningResult]:
        """Run the sweep, and append the blocks' results to ``blocks``.

        Args:
            start, end: the share of the whole job that is complete when the sweep starts, and when
                it ends.
        """
        fraction = first = start

        def progress_of(step: SweepStep) -> Iterator[JobProgress]:
            nonlocal fraction, first
            if isinstance(step, UnitProgress):
                fraction = first = start + _CHOICE * (end - start) * step.step / step.steps
                yield JobProgress(Phase.calibrating, fraction)
                return
            if not isinstance(step, BlockResult):
                yield JobProgress(Phase.pruning, fraction)  # a place to stop
                return
            blocks.append(step)
            done = (step.index + 1) / step.total
            fraction = first + (end - first) * done
            position = (step.index, step.total, step.name)
            yield JobProgress(Phase.pruning, fraction, position, block_json(step))
            if step.index + 1 == step.total:
                yield JobProgress(Phase.evaluating, end)

        return mapped(self.steps, progress_of)


def start_sweep(
    job: OpenedJob,
    out: Path,
    dense_losses: Sequence[float] | None,
    source: Path | None = None,
    measure: Measure | None = None,
) -> JobSweep:
    """Prepare the sweep of a job; the sweep resumes an earlier one whose files are in ``out``.

    Args:
        out: an existing folder for the shards.
        dense_losses: the dense model's loss on each evaluation window; None if not known.
        source: the folder of the weights to prune, if they are not those of the dense model.
        measure: measures each shard while its tensors are in memory; None to measure nothing.

    Raises:
        PruningError: the model or the available memory does not allow the sweep. If several devices
            share the sweep, this is raised only once the sweep runs.
    """
    ids = (job.windows.calibration_ids, job.windows.evaluation.ids)
    distances = token_distances if compares_in_sweep(job.recipe, job.recovery) else None
    budget, dtype = job.budget_of_a_process, job.meta_model.dtype
    if len(job.devices) > 1:
        work = partial(
            _sweep_on_rank,
            job.model.path,
            dtype,
            job.recipe,
            *ids,
            out,
            budget,
            dense_losses,
            job.resources.baselines,
            source,
            measure,
            distances,
        )
        return JobSweep(launch(work, job.devices))
    meta_model, dense = _opened(job.meta_model, source)
    pruner = ModelPruner(
        meta_model,
        job.recipe,
        *ids,
        out,
        token_loss,
        memory_budget_bytes=budget,
        dense_losses=dense_losses,
        speed=job.speed,
        measurements=job.resources.baselines,
        dense=dense,
        measure=measure,
        token_distances=distances,
    )
    return JobSweep(pruner.steps(), pruner.resumed_from_block, pruner.plan.seconds)


def _sweep_on_rank(
    folder: Path,
    dtype: torch.dtype,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    out: Path,
    budget_bytes: int | None,
    dense_losses: Sequence[float] | None,
    measurements: Path | None,
    source: Path | None,
    measure: Measure | None,
    distances: TokenDistances | None,
    ranks: Ranks,
    device: torch.device,
) -> SweepSteps:
    """Run one rank of a sweep, in a process of its own that receives these arguments."""
    meta_model, dense = _opened(MetaModel.open(folder, dtype, device), source)
    return ModelPruner(
        meta_model,
        recipe,
        calibration,
        evaluation,
        out,
        token_loss,
        memory_budget_bytes=budget_bytes,
        ranks=ranks,
        dense_losses=dense_losses,
        measurements=measurements,
        dense=dense,
        measure=measure,
        token_distances=distances,
    ).steps()


def _opened(dense: MetaModel, source: Path | None) -> tuple[MetaModel, MetaModel | None]:
    """Return the model to prune, and the dense one if that is another."""
    return (dense, None) if source is None else (dense.with_weights(source), dense)
