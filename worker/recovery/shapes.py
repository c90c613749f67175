"""The inputs for planning a recovery: its model's layer shapes, and its numbers of windows."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.shapes import BlockShape, ModelShape, ParameterCounts
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel, build_model
from worker.pruning.structure.smaller_config import Fields, smaller_config
from worker.pruning.sweep.job_shapes import layer_shapes, model_shape
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.recovery.planning.workload import RecoveryWork

_ALL_LAYERS = Recipe(None, Unstructured(0.0))


def recovery_shape(model: MetaModel, recipe: Recipe = _ALL_LAYERS) -> ModelShape:
    """Return the shapes of a model for a recovery, which trains all linear layers of its blocks.

    Args:
        model: the dense model.
        recipe: what is done to the model before, after which it may be smaller.
    """
    shape, reduction = model_shape(model, _ALL_LAYERS), recipe.cut(model)
    fields = recipe.fields(model) if reduction is None else reduction.fields
    return replace(shape, smaller=_reduced(shape, model, fields)) if fields else shape


def shape_of_pair(dense: MetaModel, pruned: MetaModel) -> ModelShape:
    """Return the shapes of a dense model and of the pruned one, which may be smaller."""
    shape = model_shape(dense, _ALL_LAYERS)
    before, after = (
        [parameter.shape for parameter in of.model.parameters()] for of in (dense, pruned)
    )
    if before == after:
        return shape  # the stored pruned matrices may be packed
    return replace(shape, smaller=model_shape(pruned, _ALL_LAYERS))


def _reduced(shape: ModelShape, model: MetaModel, fields: Fields) -> ModelShape:
    """Return the shapes that are left of a model if fields of its decoder's config change.

    Which blocks are removed may not be known yet, so the last ones count as removed.
    """
    config = smaller_config(model.model.config, fields)
    _, left = find_blocks(build_model(config, model.dtype))
    decoder = config.get_text_config()
    chosen = getattr(decoder, "num_experts_per_tok", None)
    blocks = tuple(
        _reduced_block(whole, block, chosen)
        for whole, block in zip(shape.blocks, left, strict=False)
    )
    return replace(
        shape,
        blocks=blocks,
        stored_bytes=shape.stored_bytes - _stored_bytes(shape.blocks) + _stored_bytes(blocks),
        widest=max(max(layer.outputs, layer.inputs) for block in blocks for layer in block.layers),
        scored_heads=getattr(decoder, "num_attention_heads", 0) if shape.scored_heads else 0,
    )


def _stored_bytes(blocks: Sequence[BlockShape]) -> int:
    return sum(block.parameters.stored_bytes for block in blocks)


def _reduced_block(whole: BlockShape, left: nn.Module, chosen: int | None) -> BlockShape:
    """Return the shape of what is left of a block; its stored dtypes keep their shares."""
    share = sum(parameter.numel() for parameter in left.parameters()) / whole.parameters.numbers
    counts = ParameterCounts(
        {dtype: round(count * share) for dtype, count in whole.parameters.entries.items()},
        round(whole.parameters.largest * share),
        round(whole.parameters.joined_bytes * share),
    )
    return BlockShape(counts, layer_shapes(linear_layers(left), chosen))


def recovery_work(
    model: MetaModel, training: Tensor, held_out: Tensor, evaluation: Tensor, ranks: int = 1
) -> RecoveryWork:
    """Return the amount of work of a recovery on these windows of token ids.

    ``training``, ``held_out`` and ``evaluation`` are tensors ``[windows, tokens]``.
    """
    return RecoveryWork(
        training_windows=len(training),
        held_out_windows=len(held_out),
        evaluation_tokens=evaluation.numel(),
        seq_len=training.shape[1],
        dtype=dtype_name(model.dtype),
        device=model.device.type,
        ranks=ranks,
        evaluation_seq_len=evaluation.shape[1],
    )
