"""Warnings about a result before it exists: programs that cannot read it, wasteful shapes."""

from collections.abc import Iterator

from worker.pruning.base.errors import QuantizationError
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.layers import NamedLayer, check_layers
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.structure.attention_heads import HEADS, has_head_width, head_width
from worker.pruning.structure.reduction import Reduction
from worker.pruning.structure.removal import Removal
from worker.pruning.sweep.quantization.quantizing import Quantizing, scheme_of
from worker.pruning.sweep.recipe.recipe import Recipe

_FEWEST = 16
"""Smaller groups cost more than 5 of 4 bits; no kernel that is known takes them."""
_SCALE_BITS = 16


def result_warnings(recipe: Recipe, meta_model: MetaModel) -> list[str]:
    """Return the warnings about a recipe's result that can be given before the job runs.

    Args:
        recipe: the recipe, which fits the model.
        meta_model: the model that is pruned.
    """
    sentences = list(_of_quantization(recipe, meta_model))
    sentences += (text for stage in recipe.stages for text in stage.warnings(meta_model))
    if recipe.removal is None or (reduction := recipe.cut(meta_model)) is None:
        return sentences
    sentences += _of_heads(meta_model, reduction)
    return [*sentences, *_of_widths(recipe.removal, meta_model, reduction)]


def _of_heads(meta_model: MetaModel, reduction: Reduction) -> Iterator[str]:
    """Yield a warning if the config's family has no field for the width of a head."""
    config = meta_model.config
    if HEADS not in reduction.fields or has_head_width(config):
        return
    yield (
        f"The smaller model has {reduction.fields[HEADS]} heads of {head_width(config)} features "
        f"for a hidden state of {config.hidden_size}. transformers reads this from head_dim, for "
        f"which a config of type {config.model_type!r} has no field of its own: llama.cpp, and "
        "with it zpruner gguf, loads no such model, and vLLM may load none. Set method to neurons "
        "for these programs."
    )


def _of_widths(removal: Removal, meta_model: MetaModel, reduction: Reduction) -> Iterator[str]:
    """Yield a warning if the smaller model can be quantised in tiny groups only, or not at all."""
    before, after = list[tuple[str, int]](), list[tuple[str, int]]()
    for index, block in enumerate(meta_model.blocks):
        name, kept = meta_model.block_name(index), reduction.kept[index]
        units = {kind.name: kind for kind in removal.units(block, meta_model.config)}
        for layer in linear_layers(block):
            before.append((f"{name}.{layer.name}", layer.inputs))
            kind = units.get(layer.name)
            left = layer.inputs if kind is None else kept[kind.name] * layer.inputs // kind.count
            after.append((f"{name}.{layer.name}", left))
    size, was = _group_size(after), _group_size(before)
    if was is None or not _is_quantizable(meta_model) or (size or 0) >= min(was, _FEWEST):
        return
    fields = ", ".join(f"{name} {value}" for name, value in reduction.fields.items())
    what = "cannot be quantised" if size is None else _groups_of(size)
    yield (
        f"The smaller model ({fields}) {what}, and the model itself takes groups of {was}. Another "
        "ratio may leave a width that is a multiple of 32."
    )


def _of_quantization(recipe: Recipe, meta_model: MetaModel) -> Iterator[str]:
    """Yield a warning if the default group size is tiny because of the model's widths."""
    quantizing, scheme = recipe.stage(Quantizing), scheme_of(recipe, meta_model)
    if quantizing is None or scheme is None or quantizing.settings.group_size is not None:
        return
    if scheme.group_size < _FEWEST:
        yield (
            f"The model {_groups_of(scheme.group_size, scheme.bits)}, because no larger group "
            "divides the rows of all its matrices. A width that is a multiple of 32 would allow it."
        )


def _groups_of(size: int, bits: int = 4) -> str:
    with_scales = bits + _SCALE_BITS / size
    return (
        f"can be quantised in groups of {size} only, so that a weight of {bits} bits takes "
        f"{with_scales:g} with its share of a scale of {_SCALE_BITS} bits"
    )


def _group_size(widths: list[tuple[str, int]]) -> int | None:
    """Return the default group size at 4 bits of matrices of these names and widths, if any."""
    try:
        return Quantization(4).scheme(widths).group_size
    except QuantizationError:
        return None


def _is_quantizable(meta_model: MetaModel) -> bool:
    """Return whether the layers of the model can be stored as quantised ones at all."""
    layers: list[NamedLayer] = [
        (meta_model.block_name(index), layer)
        for index, block in enumerate(meta_model.blocks)
        for layer in linear_layers(block)
    ]
    try:
        check_layers(layers, meta_model.weights)
    except QuantizationError:
        return False
    return True
