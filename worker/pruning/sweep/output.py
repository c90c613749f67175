"""The output of a pruning run: the shards of the pruned model."""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from worker.pruning.model.block_scales import EIGHT_BITS
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.model.shards import Measure, Shard, ShardWriter, copy_groups
from worker.pruning.model.weights import Weights


class ModelOutput:
    """Writes one shard for each block, and shards of the tensors outside the blocks.

    Args:
        meta_model: the dense model.
        out: an existing folder for the shards and their index.
        scratch: a folder on the same file system, for shards that are not complete.
        measure: measures each shard while its tensors are in memory; None to measure nothing.
        left_out: names of stored tensors that are not copied.

    Attributes:
        weights: the model's weights, with those that were copied read from the shards.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        out: Path,
        scratch: Path,
        measure: Measure | None = None,
        left_out: Collection[str] = (),
    ) -> None:
        self._meta_model, self._out, self._scratch = meta_model, out, scratch
        self.weights = meta_model.weights
        self._blocks = len(meta_model.blocks)
        inside = [f"{meta_model.block_name(index)}." for index in range(self._blocks)]
        outside = meta_model.weights.sources_outside(inside)
        rest = [name for name in outside if name not in set(left_out)]
        self._rest = copy_groups(meta_model.checkpoint, rest)
        self._shards = ShardWriter(out, self._blocks + len(self._rest), measure)

    @property
    def shards(self) -> list[Shard]:
        """All shards written so far, including those of an earlier run, in order of their names."""
        return self._shards.written

    def resume(self, shards: list[Shard], smaller: MetaModel | None = None) -> Weights:
        """Add the shards of finished blocks to the output.

        Args:
            smaller: the smaller model, if blocks were cut before they were written.

        Returns:
            The weights of the finished blocks, read from the shards. Without ``smaller``, also the
            dense weights of the other blocks.
        """
        if not shards:
            return self._meta_model.weights
        written = self._meta_model.read_as_weights(self._shards.continue_from(shards))
        if smaller is not None:
            return Weights.of_part(smaller.model, written)
        return Weights(self._meta_model.model, self._meta_model.checkpoint.overlaid(written))

    def write_block(
        self,
        index: int,
        stored: Mapping[str, Tensor],
        quantized: Mapping[str, QuantizedMatrix] | None = None,
        copied: Mapping[str, str] | None = None,
    ) -> Shard:
        """Write the shard of a block.

        Args:
            index: index of the block.
            stored: its parameters, by their names in the block.
            quantized: the matrices to write instead of the parameters of the same names.
            copied: the source's tensors that are copied byte for byte, with their scales, by the
                names under which they are written.
        """
        matrices = quantized or {}
        plain = {name: value for name, value in stored.items() if name not in matrices}
        tensors = self._meta_model.stored_block(index, plain)
        tensors |= self._meta_model.packed_block(index, matrices)
        for name, source in (copied or {}).items():
            del tensors[name]  # which fails if it is no tensor of the block
            tensors |= self._stored(source, name)
        return self._shards.write(index + 1, tensors, self._scratch)

    def copy_rest(
        self, kept: Collection[str] = (), changed: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Copy the tensors outside the blocks.

        Args:
            kept: names of tensors that the caller is about to use, so that it need not read them.
            changed: tensors to write instead of the source's tensors of the same names.

        Returns:
            The tensors of the names ``kept``, without those of 8-bit floats.
        """
        changed, values = changed or {}, dict[str, Tensor]()
        copied: list[Path] = []
        numbered = enumerate(self._rest, self._blocks + 1)
        # What is kept comes last, so that it is not in memory beside the others.
        for number, names in sorted(numbered, key=lambda pair: not set(kept).isdisjoint(pair[1])):
            tensors = dict[str, Tensor]()
            for name in names:
                tensors |= {name: changed[name]} if name in changed else self._stored(name, name)
            shard = self._shards.write(number, tensors, self._scratch)
            copied.append(self._out / shard.name)
            weights = (name for name in names if tensors[name].dtype is not EIGHT_BITS)
            values |= {name: tensors[name] for name in weights if name in kept}
        written = self._meta_model.read_as_weights(Checkpoint.from_files(copied))
        overlaid = self._meta_model.checkpoint.overlaid(written)
        self.weights = Weights(self._meta_model.model, overlaid)
        return values

    def finish(self) -> None:
        """Write the index, once all blocks are written and the rest is copied."""
        self._shards.finish()

    def _stored(self, source: str, name: str) -> dict[str, Tensor]:
        """Return a tensor of the source, and its scales, as they are stored, under this name."""
        parts = self._meta_model.checkpoint.read_stored(source)
        return {name + end: part for end, part in parts.items()}
