"""The memory and the time that the removal of experts adds to a sweep."""

from dataclasses import dataclass

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape
from worker.pruning.base.speed import Cost
from worker.pruning.planning.stage_work import CostParts, MemoryParts, PhaseMemory, StageWork

_OUTPUT_BYTES = 8  # per number of an expert's output: in fp32, and its product with the gate


@dataclass(frozen=True)
class ExpertWork(StageWork):
    """The work of scoring and removing experts.

    Attributes:
        removed: how many values each block loses.
        removed_bytes: by how many bytes what is stored of each block gets smaller.
        per_token: how many experts a token runs through.
        left_out_bytes: the size of stored tensors that are not copied.
        from_dense: whether the forward that observes blocks is that of the dense model, which is
            counted as the measurement of an allocation.
    """

    phase = "experts"
    removed: tuple[int, ...]
    removed_bytes: tuple[int, ...]
    per_token: int
    left_out_bytes: int
    from_dense: bool

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        """Return the memory of observing a block: the outputs of each token's experts.

        While the block is cut, the experts that stay are in memory twice.
        """
        size, shape = ITEM_BYTES[parts.windows.dtype], parts.shape
        tokens = parts.batch_tokens
        rows = tokens * self.per_token * shape.hidden * (2 * size + _OUTPUT_BYTES)
        stays = block.parameters.stored_bytes - self._cut_bytes(index, block)
        return parts.block_phase(block, max(parts.forward() + rows, stays))

    def cost(self, index: int, block: BlockShape, parts: CostParts) -> Cost:
        """Return the cost of the forward that observes the block."""
        if self.from_dense:
            return Cost()
        windows = parts.windows
        return parts.forward(block, windows.seq_len) * windows.calibration_tokens

    def saved_bytes(self, index: int, block: BlockShape) -> int:
        """Return what the written block loses, and the first one for all that is not copied."""
        return self.removed_bytes[index] + (0 if index else self.left_out_bytes)

    def _cut_bytes(self, index: int, block: BlockShape) -> int:
        parameters = block.parameters
        return parameters.stored_bytes * self.removed[index] // parameters.numbers
