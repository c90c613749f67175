"""The calibration windows' pass through one block, in which its layers are pruned."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

from torch import Tensor, nn

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
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.recipe import Recipe


class BlockPass:
    """Runs the calibration windows through a block and prunes its layers on the way.

    Args:
        meta_model: the dense model.
        block_inputs: calls its blocks.
        recipe: decides which layers are pruned.
        propagation: how the inputs of the next block are computed.
        ranks: the ranks that share the windows; rank 0 prunes, the others copy its weights.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        recipe: Recipe,
        propagation: Propagation,
        ranks: Ranks,
    ) -> None:
        self._meta_model, self._block_inputs, self._recipe = meta_model, block_inputs, recipe
        self._propagation, self._ranks = propagation, ranks

    def run(self, block: nn.Module, index: int, streams: Streams, pruner: BlockPruner[M]) -> None:
        """Prune a block, and replace its inputs by its outputs.

        Args:
            block: the block with its dense weights, which are pruned in place.
            index: its index.
            streams: its inputs; those of the calibration windows become outputs.
            pruner: prunes its layers.
        """
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
            layers = self._recipe.layers(self._meta_model.block_name(index), block)
            dense = partial(self._dense_block, block, index, streams.dense_calibration)
            collector = pruner.strategy.collector(dense)
            count = len(states)
            return BlockCalibration(layers, forward, count, prune_layer, collector, self._ranks)

        if self._propagation == "fused":
            calibration(advance).run_fused(partial(self._block_inputs.run_sample, block, index))
        else:
            calibration(call).run_reference()
            self._block_inputs.advance(block, index, states)

    def _dense_block(self, block: nn.Module, index: int, states: Activations) -> DenseBlock:
        """Return a copy of the block, still dense, that replaces its inputs by its outputs."""
        copy = deepcopy(block)

        def advance(batch: int) -> None:
            states[batch] = self._block_inputs.call(copy, index, states[batch])

        layers = self._recipe.layers(self._meta_model.block_name(index), copy)
        return DenseBlock(layers, advance, len(states))
