"""A recipe: how a model is pruned."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar

from torch import nn

from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.methods.allocation import BlockSparsities, MeasuredAllocation
from worker.pruning.methods.patterns import BlockPattern, Pattern
from worker.pruning.methods.scorers import Scorer
from worker.pruning.methods.selection import AsPublished, Selection
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.methods.strategies import (
    CorrectedRepair,
    KeepZeros,
    Repair,
    ScoreMask,
    Strategy,
    SwappedMask,
)
from worker.pruning.methods.swaps import Swaps
from worker.pruning.methods.units import Repairing
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Propagation
from worker.pruning.structure.reduction import Reduction
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import Fields
from worker.pruning.sweep.recipe.own_pruning import OwnPruning
from worker.pruning.sweep.recipe.stage import BlockCutter, StagedModel, SweepStage

S = TypeVar("S", bound=SweepStage)
Allocation = Literal["uniform"] | BlockSparsities | MeasuredAllocation


@dataclass(frozen=True)
class Recipe:
    """How a model is pruned.

    Attributes:
        scorer: scores the weights; None leaves the mask to the solver. If there is no solver
            either, no weight is pruned, and weights that are already zero stay zero.
        pattern: the constraint on the masks.
        propagation: ``fused`` runs one forward per block, in which each layer's inputs come from
            layers that are already pruned. ``reference`` is the published protocol with two
            forwards per block; its masks drop as many weights as those of the published code.
        solver: repairs the kept weights; None leaves them unchanged.
        allocation: how sparsity is spread over the model. ``uniform`` gives every block the
            pattern's sparsity. A measured allocation spreads that sparsity over blocks or matrices,
            according to measurements of the dense model. `BlockSparsities` give each block its own
            sparsity instead of the pattern's. With an N:M pattern, the allocation has no effect.
        skip: globs of layers not to prune, such as ``*.o_proj`` or ``model.layers.0.*``.
        correction: c, from 0 to 1, in the target of a solver or a stage: (1 - c) times the
            dense weights' outputs for the pruned model's inputs, plus c times their outputs for the
            dense model's inputs.
        damping: how strongly a solver keeps the kept weights close to their dense values; None for
            the solver's default.
        swaps: how weights are swapped in a mask that was chosen by score; None for no swaps. Cannot
            be combined with a solver.
        removal: which units or blocks are removed, in place of weights; None for none. Cannot be
            combined with a scorer, a solver, or globs of layers to skip.
        own: what prunes the layers in place of a scorer, a solver and an allocation; the pattern is
            then its own. None for nothing.
        stages: what else is done to the blocks after they are pruned, in this order.
        increment: which part of the pruning is made. The pattern and the allocation are those that
            the last increment reaches.

    Raises:
        ValueError: both a solver and swaps are given, or a stage cannot follow the removal.
    """

    scorer: Scorer | None
    pattern: Pattern
    propagation: Propagation = "fused"
    solver: Solver | None = None
    allocation: Allocation = "uniform"
    skip: tuple[str, ...] = ()
    correction: float = 0.0
    damping: float | None = None
    swaps: Swaps | None = None
    removal: Removal | None = None
    own: OwnPruning | None = None
    stages: tuple[SweepStage, ...] = ()
    increment: Increment = AT_ONCE

    def __post_init__(self) -> None:
        if self.solver is not None and self.swaps is not None:
            raise ValueError("a solver repairs one mask, so swaps cannot be combined with it")
        if self.removal is not None and not all(stage.goes_with_removal for stage in self.stages):
            raise ValueError("removed units are zeros in a sweep, which a stage would not keep")

    @property
    def prunes(self) -> bool:
        """Whether weights are pruned."""
        choosing = (self.scorer, self.solver, self.own)
        return any(choice is not None for choice in choosing)

    @property
    def is_calibrated(self) -> bool:
        """Whether the calibration windows run through the model."""
        return self.prunes or self.removal is not None or bool(self.stages)

    @property
    def takes_gradients(self) -> bool:
        """Whether the dense model's gradients have to be measured first."""
        return self.scorer is not None and self.scorer.takes_gradients

    @property
    def repairs_units(self) -> bool:
        """Whether the layers that read units are repaired when some of these are removed."""
        return self.removal is not None and self.removal.repairs

    @property
    def is_cut(self) -> bool:
        """Whether the result is smaller than the model, because what is removed is cut out."""
        return self.removal is not None and not self.removal.is_in_place

    @property
    def cuts_blocks(self) -> bool:
        """Whether blocks become smaller as the sweep reaches them, and are written like that."""
        return any(stage.cuts for stage in self.stages)

    @property
    def repairing(self) -> Repairing | None:
        """How the layers that read units are repaired; None if they are not."""
        if not self.repairs_units:
            return None
        repairing = Repairing(self.correction)
        return repairing if self.damping is None else replace(repairing, damping=self.damping)

    @property
    def spared_windows(self) -> int:
        """How many of the calibration windows, the last ones, are of a second text."""
        removed = 0 if self.removal is None else self.removal.spared_windows
        return max((removed, *(stage.spared_windows for stage in self.stages)))

    @property
    def removes_as_dense(self) -> bool:
        """Whether units are chosen, and their readers repaired, by the inputs in the dense model.

        They are if `reference` propagation alone is asked for, so that another job can take what
        was measured.
        """
        if self.removal is None or self.removal.measures_units or not self.removal.repairs:
            return False
        is_alone = not self.stages and self.correction == 0 and self.increment.total == 1
        return is_alone and self.propagation == "reference"

    @property
    def is_corrected(self) -> bool:
        """Whether the calibration windows run through the dense model too, for a repair."""
        return (self.solver is not None or self.repairs_units) and self.correction > 0

    @property
    def follows_dense(self) -> bool:
        """Whether the calibration windows run through the dense model too, for any purpose."""
        follows = any(stage.follows_dense for stage in self.stages)
        return self.is_corrected or (follows and self.correction > 0)

    @property
    def is_chosen_first(self) -> bool:
        """Whether all that goes is chosen before the first block, which then takes no windows."""
        drops = self.removal is not None and self.removal.drops_blocks
        return drops or any(stage.is_measured_first for stage in self.stages)

    @property
    def measures_blocks(self) -> bool:
        """Whether how much each block changes the hidden state is measured first."""
        drops = self.removal is not None and self.removal.drops_blocks
        return drops or (self.own is not None and self.own.measures_blocks)

    def strategy(self, pattern: Pattern) -> Strategy[Any]:
        """Return the strategy that prunes a matrix to this pattern.

        If the recipe prunes nothing, the strategy keeps the matrix as it is.
        """
        if self.own is not None:
            return self.own.strategy(pattern)
        selection = self._selection(pattern)
        if self.solver is None:
            if self.scorer is None:
                return KeepZeros()
            if self.swaps is None:
                return ScoreMask(self.scorer, selection)
            return SwappedMask(self.scorer, selection, self.swaps)
        damping = self.solver.damping if self.damping is None else self.damping
        repair = Repair(self.solver, self.scorer, selection, damping)
        return CorrectedRepair(repair, self.correction) if self.is_corrected else repair

    def own_strategies(self, pattern: BlockPattern) -> dict[str, Strategy[Any]]:
        """Return the strategies of matrices that have their own pattern, keyed by `matrix_name`."""
        return {matrix: self.strategy(own) for matrix, own in pattern.of_matrix.items()}

    def layers(self, meta_model: MetaModel, index: int, block: nn.Module) -> list[LinearLayer]:
        """Return the layers of a block whose inputs decide what is pruned or removed.

        Args:
            index: index of the block.
            block: the block of the model, or a copy of it.
        """
        if self.cuts_blocks and not self.prunes:
            return []
        if self.removal is not None:
            return [units.reader for units in self.removal.units(block, meta_model.config)]
        return self.kept_layers(meta_model, index, block)

    def kept_layers(self, meta_model: MetaModel, index: int, block: nn.Module) -> list[LinearLayer]:
        """Return the layers of a block that are not skipped, which stages may change."""
        name = meta_model.block_name(index)
        return [layer for layer in linear_layers(block) if self._prunes(f"{name}.{layer.name}")]

    def reduction(self, meta_model: MetaModel) -> Reduction | None:
        """Return how much smaller the model will be; None if no units are removed.

        Raises:
            UnsupportedModelError: the model has no such units, or no config describes the smaller
                model.
            RatioError: no number of units is near the ratio.
        """
        return None if self.removal is None else self.removal.reduction(meta_model)

    def cut(self, meta_model: MetaModel) -> Reduction | None:
        """Return how much smaller the result will be; None if it keeps the model's shapes."""
        return self.reduction(meta_model) if self.is_cut else None

    def fields(self, meta_model: MetaModel) -> Fields:
        """Return the fields of the decoder's config that the stages change."""
        changes = (stage.fields(meta_model) for stage in self.stages)
        return {name: value for own in changes for name, value in own.items()}

    def left_out(self, meta_model: MetaModel) -> tuple[str, ...]:
        """Return the names of stored tensors outside the blocks that the result does not have."""
        return tuple(name for stage in self.stages for name in stage.left_out(meta_model))

    def all_layers(self, meta_model: MetaModel) -> list[tuple[str, LinearLayer]]:
        """Return the layers of all blocks, as `layers` does, each with the name of its block."""
        return [
            (meta_model.block_name(index), layer)
            for index, block in enumerate(meta_model.blocks)
            for layer in self.layers(meta_model, index, block)
        ]

    def staged(self, meta_model: MetaModel) -> StagedModel:
        """Return the model as the stages see it."""
        return StagedModel(meta_model, self.kept_layers, self.correction)

    def cutter(self, calibration: Calibration, second_text: Collection[int]) -> BlockCutter | None:
        """Return what makes blocks smaller as the sweep reaches them; None if nothing does.

        ``second_text`` are the indices of this rank's batches of a second text.
        """
        model = self.staged(calibration.meta_model)
        cutters = (stage.cutter(model, calibration, second_text) for stage in self.stages)
        return next((cutter for cutter in cutters if cutter is not None), None)

    def stage(self, kind: type[S]) -> S | None:
        """Return the recipe's stage of this kind; None if it has none."""
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)

    def _selection(self, pattern: Pattern) -> Selection:
        """Return the pattern, wrapped if it has to drop as many weights as published code.

        With the propagation ``reference``, masks drop exactly as many weights as published code:
        that of the solver if the solver chooses the mask, otherwise that of the scorer. The pattern
        is not wrapped if that code rounds the count as the pattern itself does.
        """
        counting = self.solver.counting if self.solver and self.scorer is None else "inclusive"
        if self.propagation == "fused" or counting == "rounded":
            return pattern
        return AsPublished(pattern, inclusive=counting == "inclusive")

    def _prunes(self, name: str) -> bool:
        return not any(fnmatchcase(name, glob) for glob in self.skip)
