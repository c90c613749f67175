"""The sweep of a job, run in this process, or in one process for each device."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
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
from worker.pruning.base.speed import Speed
from worker.pruning.distributed.launcher import launch
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
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


@dataclass(frozen=True)
class SweepTask:
    """Everything that a process needs to run its part of a sweep.

    Attributes:
        folder: the folder of the dense model.
        dtype: the dtype of the forward passes.
        recipe: how the model is pruned.
        calibration, evaluation: the windows of token ids, each tensor ``[windows, tokens]``.
        out: an existing folder for the shards.
        memory_budget_bytes: the maximum memory of one process; None for no limit.
        dense_losses: the dense model's loss on each evaluation window; None if not known.
        measurements: the folder of what is known of dense models; None to read and store nothing.
        source: the folder of the weights to prune; None for those of the dense model.
        measure: measures each shard while its tensors are in memory; None to measure nothing.
        token_distances: compares the predictions of both models; None to compare none.
    """

    folder: Path
    dtype: torch.dtype
    recipe: Recipe
    calibration: Tensor
    evaluation: Tensor
    out: Path
    memory_budget_bytes: int | None
    dense_losses: Sequence[float] | None
    measurements: Path | None
    source: Path | None
    measure: Measure | None
    token_distances: TokenDistances | None

    def open(
        self, dense: MetaModel, ranks: Ranks = SINGLE_PROCESS, speed: Speed | None = None
    ) -> ModelPruner:
        """Prepare the sweep, or resume one from its files; ``dense`` is the opened dense model."""
        return ModelPruner(
            dense if self.source is None else dense.with_weights(self.source),
            self.recipe,
            self.calibration,
            self.evaluation,
            self.out,
            token_loss,
            memory_budget_bytes=self.memory_budget_bytes,
            ranks=ranks,
            dense_losses=self.dense_losses,
            speed=speed,
            measurements=self.measurements,
            dense=None if self.source is None else dense,
            measure=self.measure,
            token_distances=self.token_distances,
        )

    def run(self, ranks: Ranks, device: torch.device) -> SweepSteps:
        """Run the sweep as one of its ranks, in a process of its own."""
        return self.open(MetaModel.open(self.folder, self.dtype, device), ranks).steps()


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
    compares = compares_in_sweep(job.recipe, job.recovery)
    task = SweepTask(
        folder=job.model.path,
        dtype=job.meta_model.dtype,
        recipe=job.recipe,
        calibration=job.windows.calibration_ids,
        evaluation=job.windows.evaluation.ids,
        out=out,
        memory_budget_bytes=job.budget_of_a_process,
        dense_losses=dense_losses,
        measurements=job.resources.baselines,
        source=source,
        measure=measure,
        token_distances=token_distances if compares else None,
    )
    if len(job.devices) > 1:
        return JobSweep(launch(task.run, job.devices))
    pruner = task.open(job.meta_model, speed=job.speed)
    return JobSweep(pruner.steps(), pruner.resumed_from_block, pruner.plan.seconds)
