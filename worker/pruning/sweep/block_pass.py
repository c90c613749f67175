"""Running the calibration windows through one block, while its layers are pruned and refined."""

from collections.abc import Callable, Generator
from copy import deepcopy
from functools import partial

from torch import Tensor, nn

from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import M
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
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.recipe import Recipe


class BlockPass:
    """Runs the calibration windows through a block, and prunes and refines its layers.

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

    def run(
        self,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        streams: Streams,
        pruner: BlockPruner[M],
    ) -> Generator[RefinementProgress, None, RefinementResult | None]:
        """Prune and refine a block, and replace its inputs by its outputs.

        Args:
            block: the block with its dense weights, which are pruned in place.
            index: index of the block.
            stored: the block's parameters, in their stored dtype; rank 0 prunes them in place, too.
            streams: the inputs of the block. Those of the calibration windows, in both models, are
                replaced by the block's outputs.
            pruner: prunes the block's layers.

        Yields:
            The progress of the refinement, if there is one.

        Returns:
            The result of the refinement; None if there is none.
        """
        if self._refiner is None:
            self._prune(block, index, streams, pruner)
            return None
        self._run_dense(block, index, streams)
        self._prune(block, index, streams, pruner)
        states, dense = streams.calibration, streams.dense_calibration
        correction, tokens = self._recipe.correction, self._refiner.tokens
        targets = BlockTargets(states, streams.targets, dense, correction, self._ranks, tokens)
        trim_heap()
        layers = self._layers(block, index)
        result = yield from self._refiner.run(block, index, stored, layers, targets)
        streams.targets.clear()
        self._block_inputs.advance(block, index, states)
        return result

    def _run_dense(self, block: nn.Module, index: int, streams: Streams) -> None:
        """Run the block while it is still dense, to get the targets of the refinement."""
        for hidden in streams.calibration:
            streams.targets.append(self._block_inputs.call(block, index, hidden))
        if not self._recipe.is_corrected:  # otherwise the calibration does this
            self._block_inputs.advance(block, index, streams.dense_calibration)

    def _prune(
        self, block: nn.Module, index: int, streams: Streams, pruner: BlockPruner[M]
    ) -> None:
        """Prune a block; replace its inputs by its outputs unless it will be refined afterwards."""
        states = streams.calibration

        def call(batch: int) -> Tensor:
            return self._block_inputs.call(block, index, states[batch])

        def advance(batch: int) -> None:
            states[batch] = call(batch)

        def prune_layer(layer: LinearLayer, moments: M) -> None:
            if self._ranks.is_main:
                pruner.prune_layer(layer, moments)
            self._ranks.broadcast(layer.oriented(layer.weight))

        def calibration(forward: Callable[[int], object]) -> BlockCalibration[M]:
            layers = self._layers(block, index)
            dense = partial(self._dense_block, block, index, streams.dense_calibration)
            collector = pruner.strategy.collector(dense)
            count = len(states)
            return BlockCalibration(layers, forward, count, prune_layer, collector, self._ranks)

        is_last_run = self._refiner is None
        if self._propagation == "fused":
            forward = advance if is_last_run else call
            calibration(forward).run_fused(partial(self._block_inputs.run_sample, block, index))
            return
        calibration(call).run_reference()
        if is_last_run:
            self._block_inputs.advance(block, index, states)

    def _layers(self, block: nn.Module, index: int) -> list[LinearLayer]:
        return self._recipe.layers(self._meta_model.block_name(index), block)

    def _dense_block(self, block: nn.Module, index: int, states: Activations) -> DenseBlock:
        """Return a copy of the still dense block.

        When the copy is run, its outputs replace ``states``.
        """
        copy = deepcopy(block)

        def advance(batch: int) -> None:
            states[batch] = self._block_inputs.call(copy, index, states[batch])

        return DenseBlock(self._layers(copy, index), advance, len(states))
