"""Running the calibration windows through one block, while its layers are pruned and changed."""

from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from functools import partial

from torch import Tensor, nn

from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import Collector, InputCollector, M
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.planning.workload import Propagation
from worker.pruning.refinement.block_refiner import BlockRefiner
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.results import RefinementProgress, RefinementResult
from worker.pruning.stats.gram import GramMoments
from worker.pruning.structure.coupling import check_independent
from worker.pruning.structure.depth import Depth
from worker.pruning.sweep.block_quantizer import BlockQuantizer
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.recipe.recipe import Recipe


class BlockPass:
    """Runs the calibration windows through a block, and prunes, refines and quantises its layers.

    Args:
        meta_model: the dense model.
        block_inputs: calls the model's blocks.
        recipe: how the model is pruned.
        propagation: how the inputs of the next block are computed.
        ranks: the ranks that share the windows. Rank 0 prunes; the others copy its weights.
        calibration: token ids ``[windows, tokens]`` of all ranks' windows.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        recipe: Recipe,
        propagation: Propagation,
        ranks: Ranks,
        calibration: Tensor,
    ) -> None:
        self._meta_model, self._block_inputs, self._recipe = meta_model, block_inputs, recipe
        self._propagation, self._ranks = propagation, ranks
        self._refiner: BlockRefiner | None = None
        self._dense_copy: nn.Module | None = None
        if recipe.refinement is not None:
            self._refiner = BlockRefiner(
                recipe.refinement, calibration, meta_model, block_inputs, ranks
            )

    def embed(self) -> None:
        """Prepare the forwards of the refinement, if there is one.

        The model's embeddings have to be loaded.
        """
        if self._refiner is not None:
            self._refiner.embed()

    def run_dense(
        self, block: nn.Module, index: int, streams: Streams, *, is_dropped: bool
    ) -> None:
        """Run the dense block, for what `run` takes of it: targets, and the dense model's states.

        Args:
            block: the block with its dense weights.
            index: index of the block.
            streams: the inputs of the block. Its outputs for the calibration windows become the
                targets of a refinement. Those in the dense model are replaced by its outputs.
            is_dropped: whether the whole block is removed, so that it is not refined.
        """
        if self._refiner is not None and not is_dropped:
            for hidden in streams.calibration:
                streams.targets.append(self._block_inputs.call(block, index, hidden))
        if self._recipe.is_corrected:  # the calibration runs the copy, layer by layer
            self._dense_copy = deepcopy(block)
        else:
            self._block_inputs.advance(block, index, streams.dense_calibration)

    def run(
        self,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        streams: Streams,
        pruner: LayerPruner[M] | None,
        quantizer: BlockQuantizer | None = None,
    ) -> Generator[RefinementProgress, None, RefinementResult | None]:
        """Prune, refine and quantise a block, and replace its inputs by its outputs.

        `run_dense` has to be called before.

        Args:
            block: the block with the weights that are pruned, in place.
            index: index of the block.
            stored: the block's parameters, in their stored dtype; rank 0 prunes them in place, too.
            streams: the inputs of the block. Those of the calibration windows are replaced by the
                block's outputs; with a correction, also those in the dense model.
            pruner: prunes the block's layers; None if the whole block is removed.
            quantizer: quantises layers, all or some of them, once all are pruned and refined; None
                for no quantisation.

        Yields:
            The progress of the refinement, if there is one.

        Returns:
            The result of the refinement; None if there is none.
        """
        if pruner is None:
            self._drop(block, index, stored)
            return None
        removal = self._recipe.removal
        if isinstance(removal, Depth) and self._refiner is None:
            return None  # nothing reads the calibration windows any more
        if removal is not None:
            units = removal.units(block, self._meta_model.config)
            check_independent(block, units, partial(self._block_inputs.run_sample, block, index))
        result, states = None, streams.calibration
        if self._refiner is None:
            self._prune(block, index, streams, pruner, advances=quantizer is None)
        else:
            result = yield from self._refine(self._refiner, block, index, stored, streams, pruner)
        if quantizer is not None:
            collector = InputCollector(GramMoments)
            quantize = quantizer.quantize_layer
            rounded = self._recipe.rounded_layers(self._meta_model, index, block)
            self._run_layers(block, index, rounded, states, collector, quantize, advances=True)
        elif self._refiner is not None:
            self._block_inputs.advance(block, index, states)
        return result

    def _refine(
        self,
        refiner: BlockRefiner,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        streams: Streams,
        pruner: LayerPruner[M],
    ) -> Generator[RefinementProgress, None, RefinementResult]:
        """Prune and refine a block; its inputs in the pruned model stay as they are."""
        self._prune(block, index, streams, pruner, advances=False)
        states, dense = streams.calibration, streams.dense_calibration
        correction, tokens = self._recipe.correction, refiner.tokens
        targets = BlockTargets(states, streams.targets, dense, correction, self._ranks, tokens)
        trim_heap()
        layers = self._recipe.trained_layers(self._meta_model, index, block)
        result = yield from refiner.run(block, index, stored, layers, targets)
        streams.targets.clear()
        return result

    def _drop(self, block: nn.Module, index: int, stored: dict[str, Tensor]) -> None:
        """Zero all parameters of a block, so that it returns its inputs.

        Raises:
            UnsupportedModelError: the block does not return its inputs then.
        """
        for value in (*block.parameters(), *stored.values()):
            value.zero_()
        self._block_inputs.check_identity(block, index)

    def _prune(
        self,
        block: nn.Module,
        index: int,
        streams: Streams,
        pruner: LayerPruner[M],
        *,
        advances: bool,
    ) -> None:
        """Prune a block; replace its inputs by its outputs if ``advances``."""
        dense = partial(self._dense_block, index, streams.dense_calibration)
        collector = pruner.collector(dense)
        states, prune = streams.calibration, pruner.prune_layer
        layers = self._layers(block, index)
        self._run_layers(block, index, layers, states, collector, prune, advances=advances)

    def _run_layers(
        self,
        block: nn.Module,
        index: int,
        layers: Sequence[LinearLayer],
        states: Activations,
        collector: Collector[M],
        change: Callable[[LinearLayer, M], None],
        *,
        advances: bool,
    ) -> None:
        """Have rank 0 change each of the block's ``layers``, given the moments of its inputs.

        If ``advances``, the block's inputs ``states`` are replaced by the changed block's outputs.
        """

        def call(batch: int) -> Tensor:
            return self._block_inputs.call(block, index, states[batch])

        def advance(batch: int) -> None:
            states[batch] = call(batch)

        def change_everywhere(layer: LinearLayer, moments: M) -> None:
            if self._ranks.is_main:
                change(layer, moments)
            self._ranks.broadcast(layer.oriented(layer.weight))

        def calibration(forward: Callable[[int], object]) -> BlockCalibration[M]:
            return BlockCalibration(
                layers, forward, len(states), change_everywhere, collector, self._ranks
            )

        if self._propagation == "fused":
            forward = advance if advances else call
            calibration(forward).run_fused(partial(self._block_inputs.run_sample, block, index))
            return
        calibration(call).run_reference()
        if advances:
            self._block_inputs.advance(block, index, states)

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
