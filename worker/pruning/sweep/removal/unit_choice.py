"""Choosing the units that a sweep removes, where measurements of the whole model decide."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Setting
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp, short_windows
from worker.pruning.structure.reduction import Reduction
from worker.pruning.sweep.batches import split_batches
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.removal.adapt_shares import AdaptShares
from worker.pruning.sweep.removal.model_units import ModelUnits, Removed
from worker.pruning.sweep.removal.policy_search import Budget, PolicySearch
from worker.pruning.sweep.removal.unit_importance import Importance, measure_importance
from worker.pruning.sweep.removal.unit_trials import UnitTrials
from worker.pruning.sweep.results import UnitProgress


@dataclass(frozen=True)
class ChosenUnits:
    """The units that are removed.

    Attributes:
        removed: the units, with those that earlier increments have removed.
        changed: the share of those that no earlier increment has removed which a search chose in
            place of the ones that it started from; None if there was no search.
        probabilities: those of all units at the end of the search, in the order of `ModelUnits`;
            None if there was no search.
    """

    removed: Removed
    changed: float | None = None
    probabilities: tuple[float, ...] | None = None


Once = Callable[[Callable[[], Importance]], Importance]
"""Returns a known measurement of the dense model, or calls the function to measure it."""


@dataclass(frozen=True)
class UnitChoice:
    """Chooses the units that are removed, before the first block is pruned.

    Attributes:
        meta_model: the dense model.
        block_inputs: embeds windows and calls the model's blocks.
        removal: how the units are measured, and how many are removed.
        reduction: how many units each block keeps if all keep the same number.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the windows.
        setting: how large batches are, and where hidden states are kept.
        progress: records what was measured, so that no later run repeats it.
        scratch: returns a new folder for temporary files.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    removal: MeasuredUnits
    reduction: Reduction
    token_loss: TokenLoss
    ranks: Ranks
    setting: Setting
    progress: Progress
    scratch: Callable[[], Path]

    def choose(self, calibration: Tensor, once: Once) -> Generator[UnitProgress, None, ChosenUnits]:
        """Return the units that each block loses.

        Args:
            calibration: token ids ``[windows, tokens]`` of all ranks' windows.
            once: finds the importance of the units of the dense model, if an earlier run with the
                same windows has measured it.

        Raises:
            NotFiniteError: a gradient or a loss is NaN or infinity.
        """
        units = ModelUnits(self.meta_model, self.removal)
        measure = self.removal.measure
        if isinstance(measure, Pgp):
            return (yield from self._by_policy(units, measure, calibration))
        return (yield from self._by_importance(units, measure, calibration, once))

    def _by_importance(
        self, units: ModelUnits, measure: Adapt, calibration: Tensor, once: Once
    ) -> Generator[UnitProgress, None, ChosenUnits]:
        importance = self._importance(units, calibration, once)
        if self.removal.uniform:
            return ChosenUnits(units.removed_below(importance, self.reduction.kept))
        shares = AdaptShares(self.meta_model, self.block_inputs, self.ranks, units, measure)
        windows = short_windows(calibration, measure.tokens)[: measure.windows]
        batches = self.ranks.share_of(split_batches(windows, self.setting))
        wanted = self._parameters(units)
        block_shares = yield from shares.search(
            importance, wanted, batches, self.progress, self._spill
        )
        return ChosenUnits(units.removed_below(importance, units.kept_by_share(block_shares)))

    def _importance(self, units: ModelUnits, calibration: Tensor, once: Once) -> Tensor:
        """Return the importance of each unit, ``[n]`` fp64."""
        batches = self.ranks.share_of(split_batches(calibration, self.setting))
        measure = partial(
            measure_importance,
            self.meta_model,
            self.block_inputs,
            self.removal,
            self.token_loss,
            self.ranks,
            batches,
        )
        measured = self.progress.measure_once(
            "importance", lambda: once(lambda: measure(self.scratch()))
        )
        by_module = [measured[module.block][module.name] for module in units.modules]
        return torch.tensor([value for own in by_module for value in own], dtype=torch.float64)

    def _by_policy(
        self, units: ModelUnits, measure: Pgp, calibration: Tensor
    ) -> Generator[UnitProgress, None, ChosenUnits]:
        trials = UnitTrials(
            self.meta_model,
            self.block_inputs,
            self.token_loss,
            self.ranks,
            units,
            partial(split_batches, setting=self.setting),
        )
        search = PolicySearch(units, self._budgets(units), measure, trials, self.progress)
        learned = yield from search.search(short_windows(calibration, measure.tokens))
        first, removed = (
            self._lowest(units, probabilities) for probabilities in (learned.start, learned.end)
        )
        changed = units.share_outside(removed, first)
        return ChosenUnits(removed, changed, tuple(learned.end.tolist()))

    def _lowest(self, units: ModelUnits, probabilities: Tensor) -> Removed:
        if self.removal.uniform:
            return units.removed_below(probabilities, self.reduction.kept)
        return units.removed_lowest(probabilities, self._parameters(units))

    def _budgets(self, units: ModelUnits) -> list[Budget]:
        """Return how many units stay: of each module, or of all heads and of all channels."""
        if self.removal.uniform:
            kept = self.reduction.kept
            return [Budget([module], kept[module.block][module.name]) for module in units.modules]
        lost = units.divided(self._parameters(units))
        return [Budget(modules, sum(map(units.left, modules)) - count) for modules, count in lost]

    def _parameters(self, units: ModelUnits) -> float:
        """Return how many parameters are removed after the increment."""
        return self.removal.reached * units.parameters

    def _spill(self) -> Path | None:
        return self.scratch() if self.setting.spills else None
