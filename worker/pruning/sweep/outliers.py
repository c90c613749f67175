"""One pass over the dense model that measures the outliers of each block."""

from collections.abc import Iterator

from torch import Tensor, nn

from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.allocation import outlier_share
from worker.pruning.methods.scores import wanda
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.recipe import Recipe


def outlier_shares(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    recipe: Recipe,
    states: Activations,
    ranks: Ranks,
) -> Iterator[float]:
    """Yield each block's outlier share, by Wanda's scores on the dense model's inputs.

    Args:
        meta_model: the model.
        block_inputs: calls its blocks.
        recipe: decides which layers are measured.
        states: the first block's inputs; they become the last block's outputs.
        ranks: the ranks that share the inputs; the outlier shares are those of all inputs.
    """
    for index in range(len(meta_model.blocks)):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            layers = recipe.layers(meta_model.block_name(index), block)
            yield outlier_share(_scores(block, index, layers, block_inputs, states, ranks))


def _scores(
    block: nn.Module,
    index: int,
    layers: list[LinearLayer],
    block_inputs: BlockInputs,
    states: Activations,
    ranks: Ranks,
) -> list[Tensor]:
    """Return the Wanda scores of the block's layers that tokens reached."""
    scores: list[Tensor] = []

    def advance(batch: int) -> None:
        states[batch] = block_inputs.call(block, index, states[batch])

    def score(layer: LinearLayer, moments: InputMoments) -> None:
        if moments.tokens:
            scores.append(wanda(layer.oriented(layer.weight), moments.sq_mean()))

    collector = InputCollector(InputMoments)
    BlockCalibration(layers, advance, len(states), score, collector, ranks).run_reference()
    return scores
