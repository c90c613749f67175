"""A folder without the units that are zero, whose blocks may have different widths."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch
from torch import Tensor

from worker.conversion.uneven_record import UnevenRecord
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import ShardWriter, copy_groups
from worker.pruning.quantization import config_entry
from worker.pruning.structure.attention_heads import HEADS, KEY_HEADS, attention_heads, head_width
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.structure.units import Slices, Units, cut_block

_CLASSES = ({"LlamaForCausalLM"}, {"MistralForCausalLM"})
"""The ``architectures`` of a config that llama.cpp's ``deci`` computes: that of Llamas, with widths
for each block."""
_WEIGHTS = (".safetensors", ".safetensors.index.json")
_MULTIPLE = 32
"""Formats of GGUF files with fewer bits divide rows into pieces of this length."""

Kept = Sequence[tuple[Units, Tensor]]
"""The units of a block, each with the indices ``[n]`` of those that stay."""


@contextmanager
def without_zeros(folder: Path, scratch: Path) -> Iterator[Path]:
    """Yield a copy of a model's folder without its units that are zero.

    It is the folder itself if no unit is zero, or if llama.cpp reads no blocks of different widths
    for its family.

    Args:
        folder: the model's folder.
        scratch: an existing folder for the copy.

    Raises:
        PruningError: the model cannot be read.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if not _is_readable(config) or not (cut := _CutModel.open(folder)).is_smaller:
        yield folder
        return
    with TemporaryDirectory(prefix=".uneven-", dir=scratch) as private:
        cut.write(folder, Path(private))
        yield Path(private)


@dataclass(frozen=True)
class _CutModel:
    """A model, and the units of each block that stay."""

    model: MetaModel
    kept: Sequence[Kept]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read which units of a folder's model are zero, block by block."""
        model = MetaModel.open(folder, torch.float32, torch.device("cpu"), weights=folder)
        kept = []
        for index, block in enumerate(model.blocks):
            units = [*attention_heads(block, model.config), *mlp_channels(block, model.config)]
            stored = model.read_block(index)
            kept.append([(group, _kept(group, stored)) for group in units])
        return cls(model, kept)

    @property
    def is_smaller(self) -> bool:
        return any(len(left) < units.count for block in self.kept for units, left in block)

    def write(self, folder: Path, out: Path) -> None:
        """Write the folder: the weights that stay, the widths, and links to the other files."""
        model = self.model
        inside = [f"{model.block_name(index)}." for index in range(len(model.blocks))]
        rest = copy_groups(model.checkpoint, model.weights.sources_outside(inside))
        shards = ShardWriter(out, len(self.kept) + len(rest))
        scratch = out / ".new"
        scratch.mkdir()
        for index, kept in enumerate(self.kept):
            tensors = model.stored_block(index, cut_block(model.read_block(index), kept))
            shards.write(index + 1, tensors, scratch)
        for number, names in enumerate(rest, len(self.kept) + 1):
            shards.write(number, {name: model.checkpoint.read(name) for name in names}, scratch)
        shards.finish()
        self._widths().write(out)
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        config.pop(config_entry.NAME, None)  # the weights are those that packed ones stand for
        (out / CONFIG).write_text(json.dumps(config), "utf-8")
        for file in folder.iterdir():
            if file.is_file() and file.name != CONFIG and not file.name.endswith(_WEIGHTS):
                os.symlink(file.resolve(), out / file.name)

    def _widths(self) -> UnevenRecord:
        config = self.model.config
        heads, groups = getattr(config, HEADS), getattr(config, KEY_HEADS)
        channels, key_heads = list[int](), list[int]()
        for block in self.kept:
            counts = {_is_attention(units): len(left) for units, left in block}
            channels.append(counts.get(False, config.intermediate_size))
            key_heads.append(counts.get(True, groups))
        queries = [count * heads // groups for count in key_heads]
        return UnevenRecord(channels, queries, key_heads, head_width(config))


def _is_readable(config: Mapping[str, Any]) -> bool:
    """Return whether llama.cpp's architecture computes a model of this config."""
    is_known = set(config.get("architectures") or ()) in _CLASSES
    has_windows = config.get("sliding_window") is not None
    return is_known and config.get("hidden_act", "silu") == "silu" and not has_windows


def _kept(units: Units, stored: dict[str, Tensor]) -> Tensor:
    """Return the units of which an entry is not zero, filled up with others.

    One at least stays, because llama.cpp computes something else for a block without; and a
    multiple of 32 channels if the model has one.
    """
    used = torch.stack([_is_used(piece, stored[piece.parameter]) for piece in units.slices]).any(0)
    count = max(1, int(used.sum()))
    if not _is_attention(units) and units.count % _MULTIPLE == 0:
        count = -(-count // _MULTIPLE) * _MULTIPLE
    order = torch.argsort(used.logical_not(), stable=True)
    return order[:count].sort().values


def _is_used(piece: Slices, parameter: Tensor) -> Tensor:
    """Return which units have an entry that is not zero in a parameter, ``[units]`` bool."""
    entries = (piece.part(parameter) != 0).movedim(piece.dim, 0)
    return entries.reshape(len(entries), -1).any(1)[piece.places].any(1)


def _is_attention(units: Units) -> bool:
    return "attn" in units.name
