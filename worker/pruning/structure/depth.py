"""The removal of whole blocks: those that change the hidden state least."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.reduction import Reduction, once_per_model
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import Fields, check_describes
from worker.pruning.structure.units import Units

# Lists of the indices of some blocks, such as `attn_layer_indices`, and numbers of a block.
_INDICES = re.compile(r"(layers|indices|idxs?|ids)\Z")
_NUMBER = re.compile(r"idx|index|layer_id|layer_number")


@dataclass(frozen=True)
class Depth(Removal):
    """The removal of a share of the blocks: of those whose outputs are most like their inputs."""

    drops_blocks = True

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return no units: whole blocks are removed, and nothing within the others."""
        return []

    def ratios(self, meta_model: MetaModel) -> Sequence[float]:
        """Return the ratios that are met exactly, ascending.

        Raises:
            UnsupportedModelError: blocks have different sizes, and which of them go is known only
                after they are measured; or none can go.
        """
        total = len(meta_model.blocks)
        most = total - len({block_kind(block) for block in meta_model.blocks})
        sizes = {sum(value.numel() for value in block.parameters()) for block in meta_model.blocks}
        if len(sizes) > 1:
            raise UnsupportedModelError(
                "its blocks have different sizes, and which of them go is known only after they "
                "are measured, so that no size can be asked for",
                "set ratio in place of target, or method to neurons",
            )
        if most == 0:
            raise self._no_block(total)
        return [number / total for number in range(1, most + 1)]

    @once_per_model
    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be if the last blocks are removed.

        Which blocks are removed is only known after `chosen`.

        Raises:
            UnsupportedModelError: no config describes the smaller model.
            RatioError, IncrementsError: as `chosen`.
        """
        total = len(meta_model.blocks)
        last = self.chosen(meta_model, [0.0] * total)
        sizes = [
            sum(parameter.numel() for parameter in meta_model.blocks[i].parameters()) for i in last
        ]
        return Reduction(self.fields(meta_model, last), ({},) * total, sum(sizes))

    def chosen(self, meta_model: MetaModel, distances: Sequence[float]) -> list[int]:
        """Return the indices of the blocks to remove, in ascending order.

        One block of each kind stays, such as the only one with attention.

        Args:
            distances: for each block, how much its outputs differ from its inputs; of equal
                distances, that of the later block counts as smaller.

        Raises:
            RatioError: the ratio removes no block, or more than those that may go.
            IncrementsError: there are fewer blocks to remove than increments.
        """
        kinds = [block_kind(block) for block in meta_model.blocks]
        left, removed = Counter(kinds), list[int]()
        count = self._count(len(kinds), len(left))
        for index in sorted(range(len(kinds)), key=lambda index: (distances[index], -index)):
            if len(removed) < count and left[kinds[index]] > 1:
                left[kinds[index]] -= 1
                removed.append(index)
        return sorted(removed)

    def fields(self, meta_model: MetaModel, removed: Collection[int]) -> Fields:
        """Return the fields of the config that change if these blocks are removed.

        Raises:
            UnsupportedModelError: no config describes the smaller model, as where the kind of a
                block follows from its number.
        """
        kept = [index for index in range(len(meta_model.blocks)) if index not in removed]
        fields = dict(_fields(meta_model.config, kept, len(meta_model.blocks)))
        stay = [meta_model.blocks[index] for index in kept]
        built = check_describes(
            meta_model, fields, [dict(block.named_parameters()) for block in stay]
        )
        for index, (smaller, block) in enumerate(zip(built, stay, strict=True)):
            if (name := _difference(smaller, block)) is not None:
                raise UnsupportedModelError(
                    f"without its blocks {', '.join(map(str, removed))}, block {index} of a model "
                    f"of type {meta_model.config.model_type!r} would have another {name}, because "
                    "the kind of a block follows from its number",
                    "set method to neurons",
                )
        return fields

    def _count(self, total: int, kinds: int) -> int:
        """Return how many of the blocks are removed, if one of each kind has to stay."""
        count, most = round(self.ratio * total), total - kinds
        if 0 < count <= most:
            self.increment.check_divides(count, "blocks")
            return self.increment.reached(count)
        if most == 0:
            raise self._no_block(total)
        effect = f"removes {count} of {total} blocks, and from 1 to {most} can be"
        raise RatioError(self.ratio, effect, (most if count else 1) / total)

    @staticmethod
    def _no_block(total: int) -> UnsupportedModelError:
        reason = f"each of the {total} blocks is of another kind, so that none can be removed"
        if total == 1:
            reason = "the model has one block, which cannot be removed"
        return UnsupportedModelError(reason, "set method to neurons")


def block_kind(block: nn.Module) -> tuple[tuple[str, str], ...]:
    """Return the names and classes of a block's modules, by which blocks are of one kind."""
    return tuple((path, type(module).__name__) for path, module in block.named_modules())


def _fields(config: PretrainedConfig, kept: Sequence[int], total: int) -> Iterator[tuple[str, Any]]:
    """Yield the fields that describe the blocks, with their values for the kept blocks."""
    yield "num_hidden_layers", len(kept)
    for name, value in config.to_dict().items():
        if name == "first_k_dense_replace" and value:
            yield name, sum(index < value for index in kept)
        elif isinstance(value, list) and _are_indices(name, value, total):
            yield name, [kept.index(index) for index in value if index in kept]
        elif isinstance(value, list) and len(value) == total:
            yield name, [value[index] for index in kept]


def _are_indices(name: str, values: Sequence[Any], total: int) -> bool:
    """Return whether a list has the indices of some blocks, not a value for each block."""
    if _INDICES.search(name) is None or not all(type(value) is int for value in values):
        return False
    is_ascending = list(values) == sorted(set(values) & set(range(total)))
    return is_ascending and (len(values) != total or list(values) == list(range(total)))


def _difference(block: nn.Module, other: nn.Module) -> str | None:
    """Return the name of a setting in which two blocks differ, apart from their numbers."""
    mine, others = _settings(block), _settings(other)
    return next((name for name in [*mine, *others] if mine.get(name) != others.get(name)), None)


def _settings(block: nn.Module) -> Mapping[str, object]:
    """Return the class and the plain attributes of each module of a block, by name."""
    settings: dict[str, object] = {}
    for path, module in block.named_modules():
        settings[f"{path} class"] = type(module).__name__
        for name, value in vars(module).items():
            is_setting = isinstance(value, str | int | float) and not name.startswith("_")
            if is_setting and name != "training" and _NUMBER.search(name) is None:
                settings[f"{path}.{name}".lstrip(".")] = value
    return settings
