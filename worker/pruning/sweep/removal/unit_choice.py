"""Choosing the units that a sweep removes, where measurements of the whole model decide."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp, short_windows
from worker.pruning.structure.reduction import Reduction
from worker.pruning.sweep.measurement.model_run import ModelRun
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
        run: the model, from which earlier increments may have removed units.
        removal: how the units are measured, and how many are removed.
        reduction: how many units each block keeps if all keep the same number.
    """

    run: ModelRun
    removal: MeasuredUnits
    reduction: Reduction

    def choose(self, calibration: Tensor, once: Once) -> Generator[UnitProgress, None, ChosenUnits]:
        """Return the units that each block loses.

        Args:
            calibration: token ids ``[windows, tokens]`` of all ranks' windows.
            once: finds the importance of the units of the dense model, if an earlier run with the
                same windows has measured it.

        Raises:
            NotFiniteError: a gradient or a loss is NaN or infinity.
        """
        units = ModelUnits(self.run.meta_model, self.removal)
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
        windows = short_windows(calibration, measure.tokens)[: measure.windows]
        search = AdaptShares(self.run, units, measure)
        shares = yield from search.search(importance, self._parameters(units), windows)
        return ChosenUnits(units.removed_below(importance, units.kept_by_share(shares)))

    def _importance(self, units: ModelUnits, calibration: Tensor, once: Once) -> Tensor:
        """Return the importance of each unit, ``[n]`` fp64."""
        run = self.run

        def measure() -> Importance:
            batches, folder = run.batches(calibration), run.new_folder()
            return measure_importance(run.backward, self.removal, batches, folder)

        measured = run.progress.measure_once("importance", lambda: once(measure))
        by_module = [measured[module.block][module.name] for module in units.modules]
        return torch.tensor([value for own in by_module for value in own], dtype=torch.float64)

    def _by_policy(
        self, units: ModelUnits, measure: Pgp, calibration: Tensor
    ) -> Generator[UnitProgress, None, ChosenUnits]:
        trials = UnitTrials(self.run, units)
        search = PolicySearch(units, self._budgets(units), measure, trials)
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
