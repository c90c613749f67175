"""One pass over the dense model to see where its outliers are."""

from collections.abc import Iterator

from torch import Tensor, nn

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.allocation import outlier_share
from worker.pruning.methods.scores import wanda
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import Entrance
from worker.pruning.model.linears import Linear
from worker.pruning.model.meta_model import Skeleton
from worker.pruning.stats.input_moments import Moments
from worker.pruning.sweep.calibration import prune_reference
from worker.pruning.sweep.recipe import Recipe


def outlier_shares(
    skeleton: Skeleton, entrance: Entrance, recipe: Recipe, states: Activations, ranks: Ranks
) -> Iterator[float]:
    """Yield each block's outlier share, by Wanda's scores on the dense model's inputs.

    Args:
        skeleton: the model.
        entrance: calls its blocks.
        recipe: says which layers count.
        states: the first block's inputs; moved on to the last block's outputs.
        ranks: who else has inputs; the shares are those of all.
    """
    for index in range(len(skeleton.blocks)):
        with skeleton.filled_block(index, skeleton.read_block(index)) as block:
            layers = recipe.layers(skeleton.block_name(index), block)
            yield outlier_share(_scores(block, index, layers, entrance, states, ranks))


def _scores(
    block: nn.Module,
    index: int,
    layers: list[Linear],
    entrance: Entrance,
    states: Activations,
    ranks: Ranks,
) -> list[Tensor]:
    """Return the Wanda scores of a block's layers that any token reached."""
    scores: list[Tensor] = []

    def advance(batch: int) -> None:
        states[batch] = entrance.call(block, index, states[batch])

    def score(layer: Linear, moments: Moments) -> None:
        if moments.tokens:
            scores.append(wanda(layer.oriented(layer.weight), moments.sq_mean()))

    prune_reference(layers, advance, len(states), score, ranks=ranks)
    return scores
