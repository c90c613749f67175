"""Writing a smaller model: the weights that stay, and a config that describes them."""

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure, Shard, ShardWriter, copy_groups
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import Fields, write_config
from worker.pruning.structure.units import Units, cut_block, outside_of, restore_block
from worker.pruning.structure.written_check import check_computes

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class SmallerModel:
    """A model whose removed units and blocks are zero, and what to leave out of it.

    Attributes:
        source: the folder with the config of the model.
        meta_model: the model, with the weights that a sweep has written.
        removal: which units the blocks have.
        removed: for each block, the removed units of each module, by the units' name.
        dropped: the indices of the blocks that are removed.
        fields: the fields of the decoder's config that change.
    """

    source: Path
    meta_model: MetaModel
    removal: Removal
    removed: Sequence[Mapping[str, Ranges]]
    dropped: Collection[int]
    fields: Fields

    def write(
        self, out: Path, scratch: Path, measure: Measure | None = None
    ) -> Generator[int, None, list[Shard]]:
        """Write the config and the shards of the smaller model, block by block.

        Files of an earlier call, which may have been interrupted, are replaced.

        Args:
            out: the folder of the smaller model.
            scratch: an existing folder on the same file system, for incomplete files.
            measure: measures each shard while its tensors are in memory; None to measure nothing.

        Yields:
            The index of each block after its shard is on the disk.

        Returns:
            The files with the weights.

        Raises:
            CheckpointError: the written weights do not have the shapes of the written config.
            SmallerModelError: the written model does not compute what this one computes.
            NotFiniteError: what this model computes contains NaN or infinity.
        """
        model, kept = self.meta_model, self._kept_blocks
        write_config(self.source, out, model.model.config, self.fields)
        rest = _outside_blocks(model)
        shards = ShardWriter(out, len(kept) + len(rest), measure)
        for number, index in enumerate(kept):
            shards.write(number + 1, self._block(index, number), scratch)
            yield index
        _finish(shards, model, rest, scratch)
        check_computes(MetaModel.open(out, model.dtype, model.device), model)
        return shards.written

    def restore(
        self, smaller: MetaModel, out: Path, scratch: Path
    ) -> Generator[int, None, list[Shard]]:
        """Write this model with the weights of a smaller one, as `write` has made it, put back.

        Args:
            smaller: the smaller model, which may have been trained since.
            out: the folder of the whole model.
            scratch: an existing folder on the same file system, for incomplete files.

        Yields:
            The index of each block after its shard is on the disk.

        Returns:
            The files with the weights.
        """
        model = self.meta_model
        numbers = {index: number for number, index in enumerate(self._kept_blocks)}
        rest = _outside_blocks(smaller)
        shards = ShardWriter(out, len(model.blocks) + len(rest))
        for index in range(len(model.blocks)):
            parameters = model.read_block(index)
            if index in numbers:
                trained = smaller.read_block(numbers[index])
                parameters = restore_block(parameters, self._kept_units(index), trained)
            shards.write(index + 1, model.stored_block(index, parameters), scratch)
            yield index
        _finish(shards, smaller, rest, scratch)
        return shards.written

    @property
    def _kept_blocks(self) -> list[int]:
        return [index for index in range(len(self.meta_model.blocks)) if index not in self.dropped]

    def _block(self, index: int, number: int) -> dict[str, Tensor]:
        """Return the stored tensors of a block that becomes block ``number``."""
        cut = cut_block(self.meta_model.read_block(index), self._kept_units(index))
        stored = self.meta_model.stored_block(index, cut)
        blocks = self.meta_model.prefix.rpartition(".")[2]
        old = re.compile(rf"(?:^|(?<=\.)){blocks}\.{index}\.")
        return {
            old.sub(f"{blocks}.{number}.", name, count=1): tensor for name, tensor in stored.items()
        }

    def _kept_units(self, index: int) -> list[tuple[Units, Tensor]]:
        """Return the units of a block, each with the indices ``[n]`` of those that stay."""
        removed = self.removed[index]
        units = self.removal.units(self.meta_model.blocks[index], self.meta_model.config)
        return [(group, outside_of(removed.get(group.name, ()), group.count)) for group in units]


def _outside_blocks(model: MetaModel) -> list[list[str]]:
    """Return the names of the stored tensors that belong to no block, in groups for copying."""
    inside = [f"{model.block_name(index)}." for index in range(len(model.blocks))]
    return copy_groups(model.checkpoint, model.weights.sources_outside(inside))


def _finish(
    shards: ShardWriter, source: MetaModel, groups: Sequence[Sequence[str]], scratch: Path
) -> None:
    """Copy groups of a model's stored tensors, each into a shard, and complete the checkpoint."""
    for number, names in enumerate(groups, len(shards.written) + 1):
        shards.write(number, {name: source.checkpoint.read(name) for name in names}, scratch)
    shards.finish()
