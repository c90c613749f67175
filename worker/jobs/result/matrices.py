"""The stored matrices of a job's model, all of them or those that it has pruned."""

from collections.abc import Iterable, Iterator

from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.results import BlockResult
from zpruner.files.certificate import Matrix


def pruned_matrices(meta_model: MetaModel, blocks: Iterable[BlockResult]) -> list[Matrix]:
    """Return each tensor of the checkpoint that holds a pruned matrix, or several of them."""
    matrices = (
        matrix
        for block in blocks
        for matrix in _of_block(meta_model, block.index, [layer.name for layer in block.layers])
    )
    return list(dict.fromkeys(matrices))


def all_matrices(meta_model: MetaModel) -> list[Matrix]:
    """Return each tensor of the checkpoint that holds a matrix of a block, pruned or not."""
    blocks = range(len(meta_model.blocks))
    return list(
        dict.fromkeys(matrix for index in blocks for matrix in _of_block(meta_model, index))
    )


def _of_block(
    meta_model: MetaModel, index: int, names: Iterable[str] | None = None
) -> Iterator[Matrix]:
    """Yield the tensors of these parameters of a block, by default of all its matrices."""
    layers = linear_layers(meta_model.blocks[index])
    transposed = {layer.weight_name: layer.transposed for layer in layers}
    for name in dict.fromkeys(transposed if names is None else names):
        stored = meta_model.weights.stored_matrices(f"{meta_model.block_name(index)}.{name}")
        for tensor, is_exchanged in stored:
            yield Matrix(tensor, transposed[name] != is_exchanged)
