"""Running the calibration windows through one block, while its layers are pruned and changed."""

from collections.abc import Generator
from copy import deepcopy
from functools import partial

from torch import Tensor, nn

from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.calibrated_block import CalibratedBlock, Calibration
from worker.pruning.calibration.collectors import M
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.model.activations import Activations
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.streams import Streams
from worker.pruning.structure.coupling import check_independent
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.measurement.dense_moments import DenseMoments
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import StageResult


class BlockPass:
    """Runs the calibration windows through a block, prunes its layers, and runs the stages.

    Args:
        calibration: runs the windows through the blocks of the dense model.
        recipe: how the model is pruned.
        moments: those of the dense model, if the recipe removes units by them.
    """

    def __init__(
        self, calibration: Calibration, recipe: Recipe, moments: DenseMoments | None = None
    ) -> None:
        self._calibration, self._recipe, self._moments = calibration, recipe, moments
        self._meta_model, self._block_inputs = calibration.meta_model, calibration.block_inputs
        self._dense_copy: nn.Module | None = None
        model = recipe.staged(calibration.meta_model)
        opened = [stage.open(model, calibration) for stage in recipe.stages]
        self._stages = [stage for stage in opened if stage is not None]

    def embed(self) -> None:
        """Prepare the forwards of the stages; the model's embeddings have to be loaded."""
        for stage in self._stages:
            stage.embed()

    def run_dense(
        self, block: nn.Module, index: int, streams: Streams, *, is_dropped: bool
    ) -> None:
        """Run the dense block, for what `run` takes of it: targets, and the dense model's states.

        Args:
            block: the block with its dense weights.
            index: index of the block.
            streams: the inputs of the block. Its outputs for the calibration windows become the
                targets of a stage. Those in the dense model are replaced by its outputs, unless
                `run` replaces them: with a correction, or with moments of the dense model.
            is_dropped: whether the whole block is removed, so that no stage follows.
        """
        if not is_dropped and any(stage.takes_targets for stage in self._stages):
            for hidden in streams.calibration:
                streams.targets.append(self._block_inputs.call(block, index, hidden))
        if self._recipe.is_corrected:  # the calibration runs the copy, layer by layer
            self._dense_copy = deepcopy(block)
        elif self._moments is None:  # they are measured as the states advance
            self._block_inputs.advance(block, index, streams.dense_calibration)

    def run(
        self,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        streams: Streams,
        pruner: LayerPruner[M] | None,
    ) -> Generator[StageProgress, None, list[StageResult]]:
        """Prune a block, run the stages, and replace the block's inputs by its outputs.

        `run_dense` has to be called before.

        Args:
            block: the block with the weights that are pruned, in place.
            index: index of the block.
            stored: the block's parameters, in their stored dtype; rank 0 prunes them in place, too.
            streams: the inputs of the block. Those of the calibration windows are replaced by the
                block's outputs; with a correction, or with moments of the dense model, also those
                in the dense model.
            pruner: prunes the block's layers; None if the whole block is removed.

        Yields:
            The progress of the stages.

        Returns:
            What the stages have done.
        """
        if pruner is None:
            self._drop(block, index, stored)
            return []
        if self._recipe.is_chosen_first and not self._stages:
            return []  # nothing reads the calibration windows any more
        removal = self._recipe.removal
        pruned = CalibratedBlock(self._calibration, index, block, stored, streams)
        if removal is not None:
            units = removal.units(block, self._meta_model.config)
            check_independent(block, units, pruned.run_sample)
        self._prune(pruned, pruner)
        results: list[StageResult] = []
        for stage in self._stages:
            layers = self._recipe.kept_layers(self._meta_model, index, block)
            is_last = stage is self._stages[-1]
            results.append((yield from stage.run(pruned, layers, advances=is_last)))
        return results

    def _drop(self, block: nn.Module, index: int, stored: dict[str, Tensor]) -> None:
        """Zero all parameters of a block, so that it returns its inputs.

        Raises:
            UnsupportedModelError: the block does not return its inputs then.
        """
        for value in (*block.parameters(), *stored.values()):
            value.zero_()
        self._block_inputs.check_identity(block, index)

    def _prune(self, pruned: CalibratedBlock, pruner: LayerPruner[M]) -> None:
        """Prune a block; replace its inputs by its outputs if no stage follows."""
        dense = partial(self._dense_block, pruned.index, pruned.streams.dense_calibration)
        collector, layers = pruner.collector(dense), self._layers(pruned.block, pruned.index)
        if not layers and self._recipe.cuts_blocks:
            if not self._stages:
                pruned.advance()
            return
        if self._moments is not None:
            self._moments.prune(pruned, layers, collector, pruner)
            return
        pruned.change_layers(layers, collector, pruner.prune_layer, advances=not self._stages)

    def _layers(self, block: nn.Module, index: int) -> list[LinearLayer]:
        return self._recipe.layers(self._meta_model, index, block)

    def _dense_block(self, index: int, states: Activations) -> DenseBlock:
        """Return the dense copy of the block, which is not needed afterwards.

        When the copy is run, its outputs replace ``states``.

        Raises:
            ValueError: `run_dense` has made no copy.
        """
        copy, self._dense_copy = self._dense_copy, None
        if copy is None:
            raise ValueError("no dense block was run before")

        def advance(batch: int) -> None:
            states[batch] = self._block_inputs.call(copy, index, states[batch])

        return DenseBlock(self._layers(copy, index), advance, len(states))
