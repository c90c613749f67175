"""Writing a smaller model: the weights that stay, and a config that describes them."""

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Shard, ShardWriter, copy_groups
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.smaller_config import Fields, write_config
from worker.pruning.structure.units import cut_block, outside_of

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
    removal: Neurons | Heads | Depth | MeasuredUnits
    removed: Sequence[Mapping[str, Ranges]]
    dropped: Collection[int]
    fields: Fields

    def write(self, out: Path, scratch: Path) -> Generator[int, None, list[Shard]]:
        """Write the config and the shards of the smaller model, block by block.

        Files of an earlier call, which may have been interrupted, are replaced.

        Args:
            out: the folder of the smaller model.
            scratch: an existing folder on the same file system, for incomplete files.

        Yields:
            The index of each block after its shard is on the disk.

        Returns:
            The files with the weights.

        Raises:
            CheckpointError: the written weights do not have the shapes of the written config.
        """
        model, blocks = self.meta_model, range(len(self.meta_model.blocks))
        kept = [index for index in blocks if index not in self.dropped]
        write_config(self.source, out, model.model.config, self.fields)
        inside = [f"{model.block_name(index)}." for index in blocks]
        rest = copy_groups(model.checkpoint, model.weights.sources_outside(inside))
        shards = ShardWriter(out, len(kept) + len(rest))
        for number, index in enumerate(kept):
            shards.write(number + 1, self._block(index, number), scratch)
            yield index
        for number, names in enumerate(rest, len(kept) + 1):
            tensors = {name: model.checkpoint.read(name) for name in names}
            shards.write(number, tensors, scratch)
        shards.finish()
        MetaModel.open(out, model.dtype, model.device)
        return shards.written

    def _block(self, index: int, number: int) -> dict[str, Tensor]:
        """Return the stored tensors of a block that becomes block ``number``."""
        stored = self.meta_model.stored_block(index, self._cut(index))
        blocks = self.meta_model.prefix.rpartition(".")[2]
        old = re.compile(rf"(?:^|(?<=\.)){blocks}\.{index}\.")
        return {old.sub(f"{blocks}.{number}.", name, count=1): one for name, one in stored.items()}

    def _cut(self, index: int) -> dict[str, Tensor]:
        """Return the parameters of a block without the removed units."""
        removed = self.removed[index]
        units = self.removal.units(self.meta_model.blocks[index], self.meta_model.config)
        kept = [(one, outside_of(removed.get(one.name, ()), one.count)) for one in units]
        return cut_block(self.meta_model.read_block(index), kept)
