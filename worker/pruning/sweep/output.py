"""The output of a pruning run: the shards of the pruned model."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.model.shards import Shard, ShardWriter, copy_groups
from worker.pruning.model.weights import Weights


class ModelOutput:
    """Writes one shard for each block, and shards of the tensors outside the blocks.

    Args:
        meta_model: the dense model.
        out: an existing folder for the shards and their index.
        scratch: a folder on the same file system, for shards that are not complete.
    """

    def __init__(self, meta_model: MetaModel, out: Path, scratch: Path) -> None:
        self._meta_model, self._scratch = meta_model, scratch
        self._blocks = len(meta_model.blocks)
        inside = [f"{meta_model.block_name(index)}." for index in range(self._blocks)]
        self._rest = copy_groups(meta_model.checkpoint, meta_model.weights.sources_outside(inside))
        self._shards = ShardWriter(out, self._blocks + len(self._rest))

    @property
    def shards(self) -> list[Shard]:
        """All shards written so far, including those of an earlier run."""
        return self._shards.written

    def resume(self, shards: list[Shard]) -> Weights:
        """Add the shards of finished blocks to the output.

        Returns:
            The model's weights, with those of the finished blocks read from the shards.
        """
        if not shards:
            return self._meta_model.weights
        written = self._shards.continue_from(shards).dequantized()
        return Weights(self._meta_model.model, self._meta_model.checkpoint.overlaid(written))

    def write_block(
        self,
        index: int,
        stored: Mapping[str, Tensor],
        quantized: Mapping[str, QuantizedMatrix] | None = None,
    ) -> Shard:
        """Write the shard of a block.

        Args:
            index: index of the block.
            stored: its parameters, by their names in the block.
            quantized: the matrices to write instead of the parameters of the same names.
        """
        matrices = quantized or {}
        plain = {name: value for name, value in stored.items() if name not in matrices}
        tensors = self._meta_model.stored_block(index, plain)
        tensors |= self._meta_model.packed_block(index, matrices)
        return self._shards.write(index + 1, tensors, self._scratch)

    def finish(self, changed: Mapping[str, Tensor] | None = None) -> None:
        """Copy the tensors outside the blocks, and write the index.

        Args:
            changed: tensors to write instead of the source's tensors of the same names.
        """
        source, changed = self._meta_model.checkpoint, changed or {}
        for number, names in enumerate(self._rest, self._blocks + 1):
            tensors = {
                name: changed[name] if name in changed else source.read(name) for name in names
            }
            self._shards.write(number, tensors, self._scratch)
        self._shards.finish()
