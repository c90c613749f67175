"""The measurements and decisions of a sweep before its first block is pruned."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from worker.pruning.methods.patterns import BlockPattern
from worker.pruning.model.activations import Activations
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.mlp_channels import channels_of
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.reduction import Reduction
from worker.pruning.sweep.measurement.dense_scores import DenseScores
from worker.pruning.sweep.measurement.gradient_pass import gradient_norms
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache, measurement_basis
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.recipe.block_patterns import block_patterns
from worker.pruning.sweep.recipe.measurement import Measurement, needed_measurement
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import BlockCutter
from worker.pruning.sweep.removal.block_distances import BlockDistances
from worker.pruning.sweep.removal.last_token_choice import LastTokenChoice
from worker.pruning.sweep.removal.unit_choice import ChosenUnits, UnitChoice
from worker.pruning.sweep.results import UnitProgress

T = TypeVar("T")
KNOWN = "scores_known"
"""The record of whether an earlier job has measured what this one needs."""


@dataclass(frozen=True)
class BlockDecision:
    """The decisions about a block before the first block is pruned.

    Attributes:
        pattern: the pattern of the block; None if the whole block is removed.
        distance: how much the block changes the hidden state; None if it was not measured.
    """

    pattern: BlockPattern | None
    distance: float | None


@dataclass(frozen=True)
class Measurements:
    """Measures what a sweep needs to know before its first block is pruned.

    Attributes:
        run: the model that is pruned: the dense model, or the result of the increment before.
        dense: the dense model; the ``block_inputs`` of the run call its blocks, too.
        recipe: how the model is pruned.
        given: the fingerprint of the sweep.
        cache: what other sweeps have measured.
    """

    run: ModelRun
    dense: MetaModel
    recipe: Recipe
    given: dict[str, Any]
    cache: MeasurementCache

    def units(
        self, windows: Tensor, reduction: Reduction | None
    ) -> Generator[UnitProgress, None, ChosenUnits | None]:
        """Choose the units that each block loses; None unless measurements of the model decide.

        Args:
            windows: token ids ``[windows, tokens]`` of all ranks' calibration windows.
            reduction: how much smaller the model will be; None if no units are removed.
        """
        removal = self.recipe.removal
        if reduction is None:
            return None
        if isinstance(removal, Neurons) and removal.last_tokens is not None:
            channels = channels_of(self.run.meta_model)
            last = LastTokenChoice(self.run, channels, reduction.kept, removal.last_tokens)
            goal = len(windows) - removal.spared_windows
            own = ["last tokens", asdict(removal.last_tokens), removal.spared_windows]
            once = partial(self._steps_once, self._basis_of(own))
            return ChosenUnits((yield from last.choose(windows[:goal], windows[goal:], once)))
        if not isinstance(removal, MeasuredUnits):
            return None
        basis = self._basis_of(["importance"])
        units = UnitChoice(self.run, removal, reduction)
        return (yield from units.choose(windows, partial(self._once, basis)))

    def cutter(
        self, cutter: BlockCutter | None, states: Activations
    ) -> Generator[UnitProgress, None, BlockCutter | None]:
        """Return the cutter of blocks that knows what it measures in the dense model.

        Args:
            cutter: makes blocks smaller; None if nothing does.
            states: the first block's inputs for this rank's calibration windows.
        """
        if cutter is None or (own := cutter.basis) is None:
            return cutter
        measured: list[Any] = []
        if not self.run.progress.is_measured("cuts"):
            basis = self._basis_of(own)
            measured = yield from self._steps_once(
                basis, lambda: cutter.measure(self._copy(states))
            )
        return cutter.knowing(self.run.progress.measure_once("cuts", lambda: measured))

    def decisions(self, states: Activations) -> list[BlockDecision]:
        """Decide each block's pattern, and which blocks are removed.

        Most allocations measure the dense model first; the removal of blocks measures the model
        that it removes them from.

        Args:
            states: the first block's inputs for this rank's calibration windows.
        """
        measurement = needed_measurement(self.recipe)
        if measurement is None:
            nothing = [None] * len(self.run.meta_model.blocks)
            return [
                BlockDecision(pattern, None) for pattern in block_patterns(self.recipe, nothing)
            ]

        def known_or_measured() -> list[Any]:
            is_of_dense = measurement.of_block is not None
            basis = self._basis_of(measurement.basis, is_of_dense=is_of_dense)
            return self._once(basis, partial(self._measure, measurement, states))

        measured = self.run.progress.measure_once("allocation", known_or_measured)
        patterns, dropped = block_patterns(self.recipe, measured), self._dropped(measured)
        distances = measured if measurement.of_block is None else [None] * len(measured)
        return [
            BlockDecision(None if index in dropped else pattern, distance)
            for index, (pattern, distance) in enumerate(zip(patterns, distances, strict=True))
        ]

    def gradients(self, batches: Sequence[Tensor]) -> GradientNorms | None:
        """Measure the gradients if the recipe needs them and some block is not pruned yet.

        Args:
            batches: the batches of this rank's token ids, each ``[windows, tokens]``.
        """
        is_finished = self.run.progress.finished == len(self.run.meta_model.blocks)
        if not self.recipe.takes_gradients or is_finished:
            return None
        return gradient_norms(self.run.backward, self.recipe, batches, self.run.new_folder())

    def _measure(self, measurement: Measurement, states: Activations) -> list[Any]:
        """Return the result of the measurement for each block; None for one without a result."""
        states = self._copy(states)
        if measurement.of_block is None:
            return BlockDistances(self.run).measure(states)
        scores = DenseScores(self.dense, self.run.block_inputs, self.recipe, self.run.ranks)
        return list(scores.measure(states, measurement.of_block))

    def _dropped(self, measured: Sequence[Any]) -> Sequence[int]:
        """Return the indices of the blocks that are removed as a whole."""
        if (removal := self.recipe.removal) is None or not removal.drops_blocks:
            return ()
        dropped = removal.chosen(self.run.meta_model, measured)
        # Raises an error if no config describes the rest.
        removal.fields(self.run.meta_model, dropped)
        return dropped

    def _once(self, basis: Mapping[str, Any], measure: Callable[[], T]) -> T:
        """Return what an earlier job has measured, or measure now."""
        known: T | None = self._known(basis)
        if known is not None:
            return known
        measured = measure()
        self.cache.write(basis, measured)
        return measured

    def _steps_once(
        self, basis: Mapping[str, Any], steps: Callable[[], Generator[UnitProgress, None, T]]
    ) -> Generator[UnitProgress, None, T]:
        """Return what an earlier job has measured, or measure now in steps."""
        known: T | None = self._known(basis)
        if known is not None:
            return known
        measured = yield from steps()
        self.cache.write(basis, measured)
        return measured

    def _known(self, basis: Mapping[str, Any]) -> Any:
        """Return what an earlier job has measured, and record whether one has; None without one."""
        known = self.cache.read(basis)
        self.run.progress.measure_once(KNOWN, lambda: known is not None)
        return known

    def _basis_of(self, own: list[Any], *, is_of_dense: bool = False) -> dict[str, Any]:
        """Return everything that a measurement depends on, as `measurement_basis` does."""
        tokens, ranks = self.run.setting.batch_tokens, self.run.ranks
        return measurement_basis(own, self.given, tokens, ranks, is_of_dense=is_of_dense)

    def _copy(self, states: Activations) -> Activations:
        """Return a copy of hidden states, in files if those are."""
        return states.copy(self.run.new_folder() if states.spills else None)
