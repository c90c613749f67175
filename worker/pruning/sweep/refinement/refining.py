"""The refinement of a sweep: each block is trained after it has been pruned."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import nn

from worker.pruning.base.increments import Increment
from worker.pruning.base.memory import trim_heap
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.calibrated_block import CalibratedBlock, Calibration
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.refinement.block_refiner import BlockRefiner
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.groups import trained_groups
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.recipe.stage import (
    BlockStage,
    StagedModel,
    StageResult,
    SweepStage,
)
from worker.pruning.sweep.refinement.training_work import TrainingWork


@dataclass(frozen=True)
class Refining(SweepStage):
    """The refinement of a sweep; ``settings`` are how blocks are trained."""

    follows_dense = True
    settings: Refinement

    def at(self, increment: Increment) -> Self:
        """Return the part of one increment, which takes its share of the optimizer steps."""
        first = increment.reached_before(self.settings.steps)
        own = increment.reached(self.settings.steps) - first
        return replace(self, settings=replace(self.settings, steps=own, first_step=first))

    def work(self, model: StagedModel) -> TrainingWork:
        """Return the work of training the blocks."""
        halves = tuple(self._halves(block, layers) for _, block, layers in model.blocks)
        return TrainingWork(self.settings, halves, model.correction)

    def _halves(self, block: nn.Module, layers: Sequence[LinearLayer]) -> tuple[int, ...]:
        """Return how many weights are trained in each half of a block."""
        groups = trained_groups(block, layers, replace(self.settings, scope="half"))
        return tuple(sum(block.get_parameter(name).numel() for name in group) for group in groups)

    def open(self, model: StagedModel, calibration: Calibration) -> "_BlockRefinement":
        """Return what trains the blocks."""
        run = (calibration.meta_model, calibration.block_inputs, calibration.ranks)
        refiner = BlockRefiner(self.settings, calibration.windows, *run)
        return _BlockRefinement(refiner, model.correction)


@dataclass(frozen=True)
class _BlockRefinement(BlockStage):
    takes_targets = True
    refiner: BlockRefiner
    correction: float

    def embed(self) -> None:
        self.refiner.embed()

    def run(
        self, pruned: CalibratedBlock, layers: Sequence[LinearLayer], *, advances: bool
    ) -> Generator[StageProgress, None, StageResult]:
        streams, ranks, tokens = pruned.streams, pruned.calibration.ranks, self.refiner.tokens
        states, dense = streams.calibration, streams.dense_calibration
        targets = BlockTargets(states, streams.targets, dense, self.correction, ranks, tokens)
        trim_heap()
        trained = (pruned.block, pruned.index, pruned.stored, layers)
        result = yield from self.refiner.run(*trained, targets)
        streams.targets.clear()
        if advances:
            pruned.advance()
        return StageResult({"refinement": result})
