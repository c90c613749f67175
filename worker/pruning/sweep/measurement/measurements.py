"""The measurements and decisions of a sweep before its first block is pruned."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.patterns import BlockPattern
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Setting
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.mlp_channels import channels_of
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.reduction import Reduction
from worker.pruning.sweep.measurement.dense_scores import DenseScores
from worker.pruning.sweep.measurement.gradient_pass import GradientPass
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache, measurement_basis
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.recipe.block_patterns import block_patterns
from worker.pruning.sweep.recipe.measurement import Measurement, needed_measurement
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.removal.block_distances import BlockDistances
from worker.pruning.sweep.removal.last_token_choice import LastTokenChoice
from worker.pruning.sweep.removal.unit_choice import ChosenUnits, UnitChoice
from worker.pruning.sweep.results import UnitProgress
from worker.pruning.sweep.scratch_folders import NewFolder


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
        meta_model: the model that is pruned: the dense model, or the result of the increment
            before.
        dense: the dense model.
        block_inputs: embeds windows and calls the blocks of both.
        recipe: how the model is pruned.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the windows.
        setting: how large batches are, and where hidden states are kept.
        given: the fingerprint of the sweep.
        progress: records what was measured, so that no later run of the sweep repeats it.
        cache: what other sweeps have measured.
    """

    meta_model: MetaModel
    dense: MetaModel
    block_inputs: BlockInputs
    recipe: Recipe
    token_loss: TokenLoss
    ranks: Ranks
    setting: Setting
    given: dict[str, Any]
    progress: Progress
    cache: MeasurementCache

    def units(
        self, windows: Tensor, reduction: Reduction | None, new_folder: NewFolder
    ) -> Generator[UnitProgress, None, ChosenUnits | None]:
        """Choose the units that each block loses; None unless measurements of the model decide.

        Args:
            windows: token ids ``[windows, tokens]`` of all ranks' calibration windows.
            reduction: how much smaller the model will be; None if no units are removed.
            new_folder: makes folders for temporary files.
        """
        removal = self.recipe.removal
        if reduction is None:
            return None
        if isinstance(removal, Neurons) and removal.last_tokens is not None:
            run = (removal.last_tokens, self.ranks, self.setting, self.progress, new_folder)
            channels = channels_of(self.meta_model)
            last = LastTokenChoice(
                self.meta_model, self.block_inputs, channels, reduction.kept, *run
            )
            goal = len(windows) - removal.spared_windows
            return ChosenUnits((yield from last.choose(windows[:goal], windows[goal:])))
        if not isinstance(removal, MeasuredUnits):
            return None
        shared = (self.token_loss, self.ranks, self.setting, self.progress, new_folder)
        units = UnitChoice(self.meta_model, self.block_inputs, removal, reduction, *shared)
        basis = self._basis_of(Measurement(None, ["importance"]))
        return (yield from units.choose(windows, partial(self.cache.once, basis)))

    def decisions(self, states: Activations, new_folder: NewFolder) -> list[BlockDecision]:
        """Decide each block's pattern, and which blocks are removed.

        Most allocations measure the dense model first; the removal of blocks measures the model
        that it removes them from.

        Args:
            states: the first block's inputs for this rank's calibration windows.
            new_folder: makes folders for temporary files.
        """
        measurement = needed_measurement(self.recipe)
        if measurement is None:
            nothing = [None] * len(self.meta_model.blocks)
            return [
                BlockDecision(pattern, None) for pattern in block_patterns(self.recipe, nothing)
            ]

        def known_or_measured() -> list[Any]:
            measure = partial(self._measure, measurement, states, new_folder)
            return self.cache.once(self._basis_of(measurement), measure)

        measured = self.progress.measure_once("allocation", known_or_measured)
        patterns, dropped = block_patterns(self.recipe, measured), self._dropped(measured)
        distances = measured if measurement.of_block is None else [None] * len(measured)
        return [
            BlockDecision(None if index in dropped else pattern, distance)
            for index, (pattern, distance) in enumerate(zip(patterns, distances, strict=True))
        ]

    def gradients(self, batches: Sequence[Tensor], new_folder: NewFolder) -> GradientNorms | None:
        """Measure the gradients if the recipe needs them and some block is not pruned yet.

        Args:
            batches: the batches of this rank's token ids, each ``[windows, tokens]``.
            new_folder: makes folders for temporary files.
        """
        is_finished = self.progress.finished == len(self.meta_model.blocks)
        if not self.recipe.takes_gradients or is_finished:
            return None
        gradient_pass = GradientPass(
            self.meta_model, self.block_inputs, self.recipe, self.token_loss, self.ranks
        )
        return gradient_pass.measure(batches, new_folder())

    def _measure(
        self, measurement: Measurement, states: Activations, new_folder: NewFolder
    ) -> list[Any]:
        """Return the result of the measurement for each block; None for one without a result."""
        states = states.copy(new_folder() if states.spills else None)
        if measurement.of_block is None:
            return BlockDistances(self.meta_model, self.block_inputs, self.ranks).measure(states)
        scores = DenseScores(self.dense, self.block_inputs, self.recipe, self.ranks)
        return list(scores.measure(states, measurement.of_block))

    def _dropped(self, measured: Sequence[Any]) -> Sequence[int]:
        """Return the indices of the blocks that are removed as a whole."""
        if (removal := self.recipe.removal) is None or not removal.drops_blocks:
            return ()
        dropped = removal.chosen(self.meta_model, measured)
        removal.fields(self.meta_model, dropped)  # raises an error if no config describes the rest
        return dropped

    def _basis_of(self, measurement: Measurement) -> dict[str, Any]:
        """Return everything that a measurement before the sweep depends on, ready for JSON."""
        return measurement_basis(measurement, self.given, self.setting.batch_tokens, self.ranks)
