"""The rows of a model's embedding and head, one for each token."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor, nn

from worker.pruning.base.durable_files import fsync
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure, Shard, ShardWriter
from worker.pruning.model.stored_tensors import StoredTensor
from worker.pruning.structure.smaller_config import CONFIG
from worker.vocabulary.errors import VocabularyError
from worker.vocabulary.token_ids import renumbered

_REMEDY = "Leave vocabulary out."


@dataclass(frozen=True)
class ModelRows:
    """The tensors of a model that have a row for each token.

    Attributes:
        tensors: their names in the checkpoint.
        count: how many rows each of them has.
        parameters_of_row: how many parameters the rows of a token have together.
        bytes_of_row: their size.
    """

    tensors: frozenset[str]
    count: int
    parameters_of_row: int
    bytes_of_row: int

    @classmethod
    def of(cls, model: MetaModel) -> "ModelRows":
        """Find the rows of a model.

        Raises:
            VocabularyError: the embedding or the head is built in another way, or another part of
                the model depends on the number of tokens.
        """
        count, network = int(model.config.vocab_size), model.model
        embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
        if not isinstance(embedding, nn.Embedding) or not isinstance(head, nn.Linear):
            raise _unfit("its embedding or its head is of an unknown kind")
        own = [embedding.weight, head.weight, *([] if head.bias is None else [head.bias])]
        tensors, stored = model.checkpoint.tensors, set[str]()
        for name, parameter in network.named_parameters(remove_duplicate=False):
            if all(parameter is not with_rows for with_rows in own):
                continue
            if (source := model.weights.stored_name(name)) is not None:
                _check_rows(source, tensors[source], count)
                stored.add(source)
            elif not any(name in pair for pair in model.model.all_tied_weights_keys.items()):
                raise _unfit(f"{name} is joined from several tensors")
        blocks = [f"{model.block_name(index)}." for index in range(len(model.blocks))]
        for name in model.weights.sources_outside(blocks):
            shape = tensors[name].shape
            if name not in stored and len(shape) > 1 and count in shape:
                raise _unfit(f"{name} has a row for each token, too")
        width = sum(prod(tensors[name].shape[1:]) for name in stored)
        size = model.checkpoint.size_bytes(stored) // count
        return cls(frozenset(stored), count, width, size)

    def write(
        self,
        source: Path,
        kept: Sequence[int],
        out: Path,
        scratch: Path,
        measure: Measure | None = None,
    ) -> Generator[str, None, list[Shard]]:
        """Write a model's weights without the rows of the tokens that go; no other one changes.

        Args:
            source: the folder of the weights.
            kept: the tokens that stay, in ascending order.
            out: the folder to write to.
            scratch: an existing folder on the same file system, for incomplete files.
            measure: measures each file while its tensors are in memory; None to measure nothing.

        Yields:
            The name of each file once it is on the disk.

        Returns:
            The files with the weights.
        """
        checkpoint = Checkpoint.open(source)
        files: dict[Path, list[str]] = {}
        for name, stored in checkpoint.tensors.items():
            files.setdefault(stored.file, []).append(name)
        shards = ShardWriter(out, len(files), measure)
        rows = [token for token in kept if token < self.count]
        for number, names in enumerate(files.values(), 1):
            tensors = {name: self._read(checkpoint, name, rows) for name in names}
            yield shards.write(number, tensors, scratch).name
        shards.finish()
        return shards.written

    def _read(self, checkpoint: Checkpoint, name: str, rows: Sequence[int]) -> Tensor:
        is_cut = name in self.tensors
        return checkpoint.read_rows(name, rows) if is_cut else checkpoint.read(name)


def write_config(source: Path, out: Path, model: MetaModel, kept: Sequence[int], rows: int) -> None:
    """Write ``config.json`` with the number of tokens that stay, and the new ids of special ones.

    Args:
        source: the config of the model with all tokens.
        out: the folder to write to.
        model: the model, which knows the part of the config that describes its decoder.
        kept: the tokens that stay.
        rows: how many rows the model with all tokens has.
    """
    numbers = {old: new for new, old in enumerate(kept)}
    written = renumbered(json.loads(source.read_text("utf-8")), numbers)
    config, decoder = model.model.config, model.config
    parts = (written[name] for name in config.sub_configs if getattr(config, name) is decoder)
    part = next(parts, written)
    part[decoder.attribute_map.get("vocab_size", "vocab_size")] = sum(old < rows for old in kept)
    (out / CONFIG).write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    fsync(out / CONFIG)


def _check_rows(name: str, stored: StoredTensor, count: int) -> None:
    if stored.shape[:1] != (count,) or not stored.dtype.is_floating_point:
        raise _unfit(f"{name} is quantised, or stored in another shape")


def _unfit(reason: str) -> VocabularyError:
    return VocabularyError(f"no tokens can be removed from the model: {reason}", _REMEDY)
