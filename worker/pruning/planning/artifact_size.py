"""Predicting the size of the checkpoint that is written."""

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape, ModelShape
from worker.pruning.quantization.scheme import Scheme


def artifact_bytes(shape: ModelShape, scheme: Scheme | None) -> int:
    """Return the size of the tensors that are written.

    Args:
        shape: the model.
        scheme: how its pruned layers are quantised; None if they are not.
    """
    saved = sum(saved_bytes(block, scheme) for block in shape.blocks)
    return shape.stored_bytes - shape.removed_bytes - saved


def saved_bytes(block: BlockShape, scheme: Scheme | None) -> int:
    """Return by how much a quantisation makes a block smaller; 0 without one.

    All matrices are taken to have the dtype of most of the block's values.
    """
    if scheme is None:
        return 0
    entries = block.parameters.entries
    size = ITEM_BYTES[max(entries, key=entries.__getitem__)]
    return sum(
        layer.weights * size - scheme.packed_bytes(layer.outputs, layer.inputs, size)
        for layer in block.rounded
    )
