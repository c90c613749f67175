"""The memory and the time that a quantisation adds to a sweep."""

from dataclasses import dataclass

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape, LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.planning.layer_cost import SOLVER_CALLS
from worker.pruning.planning.stage_work import CostParts, MemoryParts, PhaseMemory, StageWork
from worker.pruning.quantization.rounding import MEMORY, rounding_cost
from worker.pruning.quantization.scheme import Scheme


@dataclass(frozen=True)
class RoundingWork(StageWork):
    """The work of rounding weights.

    Attributes:
        scheme: how the weights are quantised.
        layers: the layers of each block that are.
    """

    phase = "quantization"
    passes = 1
    without = "quantize to none"
    scheme: Scheme
    layers: tuple[tuple[LayerShape, ...], ...]

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        """Return the memory of rounding a block's weights, which leaves one byte for each."""
        layers = self.layers[index]
        running = parts.fused_states(block) + max(parts.forward(), parts.solving(layers, MEMORY))
        return parts.block_phase(block, running, sum(layer.weights for layer in layers))

    def cost(self, index: int, block: BlockShape, parts: CostParts) -> Cost:
        """Return the cost of rounding a block's weights, with the Gram matrices of their inputs."""
        cost = Cost()
        for layer in self.layers[index]:
            gram = Cost() if layer.shares_input else parts.gram(layer)
            cost += gram + rounding_cost(layer, self.scheme) + Cost(calls=SOLVER_CALLS)
        return cost

    def saved_bytes(self, index: int, block: BlockShape) -> int:
        """Return by how much packing makes a block smaller.

        All matrices are taken to have the dtype of most of the block's values.
        """
        entries = block.parameters.entries
        size = ITEM_BYTES[max(entries, key=entries.__getitem__)]
        return sum(
            layer.weights * size - self.scheme.packed_bytes(layer.outputs, layer.inputs, size)
            for layer in self.layers[index]
        )
