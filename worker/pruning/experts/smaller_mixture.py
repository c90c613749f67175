"""The modules of a model with fewer experts, and the parts of parameters that belong to experts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.experts.counts import kept_experts
from worker.pruning.experts.layers import ExpertLayer, Routing, expert_layer
from worker.pruning.experts.prediction_heads import heads_with_experts, without_heads
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.stored_tensors import ScaledTensor
from worker.pruning.structure.reduction import once_per_model
from worker.pruning.structure.smaller_config import Fields, smaller_config

_COUNT = re.compile(r"experts(?!_per_tok)\Z")
_NUMBER = re.compile(r"(?<=\.experts\.)\d+(?=\.)")
_SHARED = re.compile(r"shared|per_tok|top_?k|zero")
Dims = Mapping[str, int]
"""The dimension of the experts in each parameter of a block that has one, by its name."""


@dataclass(frozen=True)
class SmallerMixture:
    """A model with fewer experts.

    Attributes:
        layers: the experts of each block of the dense model; None for a block without experts.
        kept: how many of them stay in each block.
        count: how many there are in each block.
        routing: how many a token gets.
        fields: the fields of the decoder's config that change.
        dims: for each block, the dimensions of the experts.
        model: the smaller model, of which no weights are known yet.
        left_out: the stored tensors that the smaller model does not get, as `heads_with_experts`.
    """

    layers: Sequence[ExpertLayer | None]
    kept: int
    count: int
    routing: Routing
    fields: Fields
    dims: Sequence[Dims]
    model: MetaModel
    left_out: tuple[str, ...]

    def cut(self, index: int, parameters: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return a block's parameters without the experts that are not kept.

        Args:
            index: index of the block.
            parameters: its parameters, by their names in the block.
            kept: ``[n]`` int64, ascending; the indices of the experts that stay.
        """
        dims = self.dims[index]
        return {
            name: value.index_select(dims[name], kept) if name in dims else value
            for name, value in parameters.items()
        }

    def copied(self, dense: MetaModel, index: int, kept: Tensor | None) -> dict[str, str]:
        """Return the stored tensors of a block that are copied, as they are not read as stored.

        These are matrices of 8-bit floats, and what is stored by expert beside them; none of other
        models.

        Args:
            index: index of the block.
            kept: as in `cut`; None for a block without experts.

        Returns:
            Their names, by the names under which they are written.
        """
        if not dense.checkpoint.is_scaled:
            return {}
        numbers = [] if kept is None else kept.tolist()
        places = {str(old): str(new) for new, old in enumerate(numbers)}
        copied: dict[str, str] = {}
        for source in dense.weights.sources(f"{dense.block_name(index)}."):
            number = _NUMBER.search(source)
            if number is None:
                stored = dense.checkpoint.tensors[source]
                copied |= {source: source} if isinstance(stored, ScaledTensor) else {}
            elif number[0] in places:
                copied[_NUMBER.sub(places[number[0]], source, count=1)] = source
        return copied

    def removed_bytes(self, dense: MetaModel, index: int) -> int:
        """Return by how many bytes what is stored of a block of the dense model gets smaller."""
        names = {f"{dense.block_name(index)}.{name}" for name in self.dims[index]}
        plain, joined = dense.weights.sources_of(names.__contains__)
        size = dense.checkpoint.size_bytes([*plain, *joined])
        return size * (self.count - self.kept) // self.count

    def removed_numbers(self, index: int) -> int:
        """Return how many values a block loses."""
        block = self.model.blocks[index].state_dict()
        left: int = sum(block[name].numel() for name in self.dims[index])
        return left * (self.count - self.kept) // self.kept


@once_per_model
def smaller_mixture(settings: ExpertSettings, meta_model: MetaModel) -> SmallerMixture:
    """Return the model with fewer experts that a config describes.

    The field that counts the experts is found by trying, so that no family has to be known: with
    another number, exactly the parameters of experts and routers have other shapes.

    Raises:
        UnsupportedModelError: the model has no experts, calls them in another way, or no config
            describes the smaller model.
        ExpertsError, RatioError: as `kept_experts`.
    """
    layers = [expert_layer(block) for block in meta_model.blocks]
    kind = meta_model.config.model_type
    count, routing = expert_count(layers, kind), Routing.of(meta_model.config)
    kept, heads = kept_experts(settings, count, routing), heads_with_experts(meta_model)
    for fields in _candidates(meta_model, count, kept):
        if (smaller := _described(meta_model, fields)) is None:
            continue
        dims = [
            _dims(block, described, count, kept)
            for block, described in zip(meta_model.blocks, smaller.blocks, strict=True)
        ]
        if all(bool(own) == (layer is not None) for own, layer in zip(dims, layers, strict=True)):
            found = [own for own in dims if own is not None]
            if len(found) == len(dims):
                changed = {**fields, **without_heads(meta_model.config, heads)}
                return SmallerMixture(layers, kept, count, routing, changed, found, smaller, heads)
    raise UnsupportedModelError(
        f"the config of a model of type {kind!r} has no field for the number of its experts with "
        "which exactly the experts and the rows of the routers become fewer",
        "choose a method that zeroes weights, such as wanda",
    )


def expert_count(layers: Sequence[ExpertLayer | None], kind: str) -> int:
    """Return how many experts each layer of a model of this kind has.

    Raises:
        UnsupportedModelError: it has none, or different numbers of them.
    """
    counts = {layer.count for layer in layers if layer is not None}
    if not counts:
        raise UnsupportedModelError(
            f"method experts removes experts, and a model of type {kind!r} has none",
            "set method to neurons, heads or depth",
        )
    if len(counts) > 1:
        raise UnsupportedModelError(
            f"its layers have different numbers of experts, {sorted(counts)}, for which a config "
            "has no field",
            "choose a method that zeroes weights, such as wanda",
        )
    return counts.pop()


def _candidates(meta_model: MetaModel, count: int, kept: int) -> Iterator[Fields]:
    """Yield fields that can mean the number of experts, one alone, then all, with a new value."""
    names = [
        name
        for name, value in meta_model.config.to_dict().items()
        if type(value) is int
        and value == count
        and _COUNT.search(name)
        and not _SHARED.search(name)
    ]
    yield from ({name: kept} for name in names)
    if len(names) > 1:
        yield dict.fromkeys(names, kept)


def _described(meta_model: MetaModel, fields: Fields) -> MetaModel | None:
    """Return the model that the config with these fields describes; None if there is none."""
    try:
        smaller = meta_model.described(smaller_config(meta_model.model.config, fields))
    except Exception:  # a family's code may raise anything; the field is not used then
        return None
    return smaller if len(smaller.blocks) == len(meta_model.blocks) else None


def _dims(block: nn.Module, smaller: nn.Module, count: int, kept: int) -> Dims | None:
    """Return the dimensions that have become smaller; None if there are others than of experts."""
    before = {name: value.shape for name, value in block.state_dict().items()}
    after = {name: value.shape for name, value in smaller.state_dict().items()}
    if before.keys() != after.keys():
        return None
    dims: dict[str, int] = {}
    for name, shape in before.items():
        if len(shape) != len(after[name]):
            return None
        changed = [
            dim for dim, (old, new) in enumerate(zip(shape, after[name], strict=True)) if old != new
        ]
        if len(changed) > 1 or any(
            (shape[dim], after[name][dim]) != (count, kept) for dim in changed
        ):
            return None
        dims |= dict.fromkeys([name] if changed else [], changed[0] if changed else 0)
    return dims
