"""The stored matrices that a job has pruned."""

from collections.abc import Iterable, Iterator

from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.results import BlockResult
from zpruner.files.certificate import Matrix


def pruned_matrices(meta_model: MetaModel, blocks: Iterable[BlockResult]) -> list[Matrix]:
    """Return each tensor of the checkpoint that holds a pruned matrix, or several of them."""
    found = (matrix for block in blocks for matrix in _of_block(meta_model, block))
    return list(dict.fromkeys(found))


def _of_block(meta_model: MetaModel, block: BlockResult) -> Iterator[Matrix]:
    layers = linear_layers(meta_model.blocks[block.index])
    transposed = {layer.weight_name: layer.transposed for layer in layers}
    for name in dict.fromkeys(layer.name for layer in block.layers):
        stored = meta_model.weights.stored_matrices(f"{block.name}.{name}")
        for tensor, is_exchanged in stored:
            yield Matrix(tensor, transposed[name] != is_exchanged)
