"""Running a model without some of its units, one block in memory at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.methods.policy import starting_scores
from worker.pruning.methods.units import highest
from worker.pruning.model.head_loss import window_losses
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.structure.units import outside_of, ranges_of
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.removal.model_units import ModelUnits
from worker.pruning.sweep.removal.without_units import without_units


@dataclass(frozen=True)
class UnitTrials:
    """Runs windows through a model, as a whole or without some of its units.

    Attributes:
        run: the model, from which earlier increments may have removed units.
    """

    run: ModelRun
    units: ModelUnits

    def losses(self, windows: Tensor, masks: Tensor) -> list[float]:
        """Return the mean loss of the model with the units of each mask.

        Args:
            windows: token ids ``[windows, tokens]``, the same on all ranks.
            masks: ``[masks, n]``; 0 for the units that the model lacks.
        """
        batches = self.run.batches(windows)
        embedded = self._embedded(batches)
        states = [list(embedded) for _ in masks]
        embedded.clear()
        for index in range(len(self.run.meta_model.blocks)):
            self._run_block(index, masks, states)
        with self.run.meta_model.loaded_head():
            losses = [
                window_losses(
                    self.run.meta_model,
                    self.run.block_inputs,
                    own,
                    batches,
                    self.run.token_loss,
                    self.run.ranks,
                )
                for own in states
            ]
        trim_heap()
        return [sum(own) / len(own) for own in losses]

    def scores(self, windows: Tensor, kept: Sequence[Mapping[str, int]]) -> list[dict[str, Tensor]]:
        """Return the `starting_scores` of each unit, ``[units]``, by its units' name.

        Each block gets the outputs of the blocks before it without their lowest units.

        Args:
            windows: token ids ``[windows, tokens]``, the same on all ranks.
            kept: for each block, how many units stay in it for the blocks after it, by their name.

        Raises:
            NotFiniteError: a layer's weight, or its inputs, contain NaN or infinity.
        """
        states = self._embedded(self.run.batches(windows))
        return [self._scores(index, states, own) for index, own in enumerate(kept)]

    def _embedded(self, batches: Sequence[Tensor]) -> list[Tensor]:
        states: list[Tensor] = []
        with self.run.meta_model.loaded_embeddings():
            self.run.block_inputs.embed(batches, states.append)
        return states

    def _run_block(self, index: int, masks: Tensor, states: Sequence[list[Tensor]]) -> None:
        """Replace each mask's states by the outputs of the block with the units of the mask."""
        if index + 1 < len(self.run.meta_model.blocks):
            self.run.meta_model.read_ahead(index + 1)
        units, modules = self.units.of_block[index], self.units.within(index)
        with self.run.meta_model.loaded_block(
            index, self.run.meta_model.read_block(index)
        ) as block:
            for mask, own in zip(masks, states, strict=True):
                removed = {
                    module.name: (module.of(mask) == 0).nonzero()[:, 0] for module in modules
                }
                with without_units(block, units, removed):
                    own[:] = [self.run.block_inputs.call(block, index, hidden) for hidden in own]

    def _scores(
        self, index: int, states: list[Tensor], kept: Mapping[str, int]
    ) -> dict[str, Tensor]:
        """Return the scores of a block's units, and replace its inputs by its outputs."""
        name, scores = self.run.meta_model.block_name(index), dict[str, Tensor]()
        units = {group.name: group for group in self.units.of_block[index]}

        def score(layer: LinearLayer, moments: InputMoments) -> None:
            weight = layer.oriented(layer.weight)
            squares = torch.ones(layer.inputs)
            if moments.tokens:  # an expert that no token reaches is judged by its weights
                squares = moments.sq_mean()
            places = units[layer.name].slices[0].places
            scores[layer.name] = starting_scores(weight, squares.to(weight.device), places).cpu()
            if not bool(scores[layer.name].sum().isfinite()):
                raise NotFiniteError(f"{name}.{layer.name}")

        with self.run.meta_model.loaded_block(
            index, self.run.meta_model.read_block(index)
        ) as block:

            def run(batch: int) -> Tensor:
                return self.run.block_inputs.call(block, index, states[batch])

            layers = [group.reader for group in units.values()]
            collector = InputCollector(InputMoments)
            BlockCalibration(
                layers, run, len(states), score, collector, self.run.ranks
            ).run_reference()
            lowest = {
                name: outside_of(ranges_of(highest(values, kept[name])), len(values))
                for name, values in scores.items()
            }
            with without_units(block, self.units.of_block[index], lowest):
                states[:] = [run(batch) for batch in range(len(states))]
        return scores
