"""Writing a smaller model: the weights that stay, and a config that describes them."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Shard, ShardWriter, copy_groups
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.smaller_config import Fields, write_config
from worker.pruning.structure.units import cut_block, outside_of

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class SmallerModel:
    """A model whose units are zero, and what to leave out of it.

    Attributes:
        source: the folder with the config of the model.
        meta_model: the model, with the weights that a sweep has written.
        removal: which units the blocks have.
        removed: for each block, the removed units of each module, by the units' name.
        fields: the fields of the decoder's config that change.
    """

    source: Path
    meta_model: MetaModel
    removal: Neurons
    removed: Sequence[Mapping[str, Ranges]]
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
        write_config(self.source, out, model.model.config, self.fields)
        inside = [f"{model.block_name(index)}." for index in blocks]
        rest = copy_groups(model.checkpoint, model.weights.sources_outside(inside))
        shards = ShardWriter(out, len(blocks) + len(rest))
        for index in blocks:
            shards.write(index + 1, model.stored_block(index, self._cut(index)), scratch)
            yield index
        for number, names in enumerate(rest, len(blocks) + 1):
            tensors = {name: model.checkpoint.read(name) for name in names}
            shards.write(number, tensors, scratch)
        shards.finish()
        MetaModel.open(out, model.dtype, model.device)
        return shards.written

    def _cut(self, index: int) -> dict[str, Tensor]:
        """Return the parameters of a block without the removed units."""
        removed = self.removed[index]
        units = self.removal.units(self.meta_model.blocks[index], self.meta_model.config)
        kept = [(one, outside_of(removed[one.name], one.count)) for one in units]
        return cut_block(self.meta_model.read_block(index), kept)
