"""Running the dense model's blocks beside the blocks that are pruned."""

from dataclasses import dataclass

from torch import Tensor, nn

from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.sweep.block_pass import BlockPass
from worker.pruning.sweep.recipe.recipe import Recipe


@dataclass(frozen=True)
class DenseBlocks:
    """Runs the blocks of the dense model, each before the same block is pruned.

    Attributes:
        meta_model: the dense model.
        block_inputs: calls the model's blocks.
        recipe: how the model is pruned.
        block_pass: runs the calibration windows through a block.
        seconds: adds up the time of the evaluation windows, and of all else.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    recipe: Recipe
    block_pass: BlockPass
    seconds: Stopwatch

    def run_stored(
        self, index: int, streams: Streams, *, is_dropped: bool
    ) -> dict[str, Tensor] | None:
        """Read and run a block, if an earlier increment has pruned the block.

        Returns:
            The parameters of the dense block, if a correction takes them.
        """
        if not self.recipe.increment.continues:
            return None
        with self.seconds("prune"):
            parameters = self.meta_model.read_block(index)
        with self.meta_model.loaded_block(index, parameters) as block:
            self._run(block, index, streams, is_dropped=is_dropped)
        return parameters if self.recipe.is_corrected else None

    def run_unpruned(
        self, block: nn.Module, index: int, streams: Streams, *, is_dropped: bool
    ) -> None:
        """Run the block that is about to be pruned, if no earlier increment has pruned it."""
        if not self.recipe.increment.continues:
            self._run(block, index, streams, is_dropped=is_dropped)

    def _run(self, block: nn.Module, index: int, streams: Streams, *, is_dropped: bool) -> None:
        with self.seconds("evaluate"):
            self.block_inputs.advance(block, index, streams.dense_evaluation)
        with self.seconds("prune"):
            self.block_pass.run_dense(block, index, streams, is_dropped=is_dropped)
