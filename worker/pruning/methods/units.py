"""Choosing the units that are removed, and repairing the layer that reads the others."""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import cube, product
from worker.pruning.methods.solvers.least_squares import solved
from worker.pruning.methods.solvers.solver import SolverMemory
from worker.pruning.stats.gram import Gram

MEMORY = SolverMemory(factorizing=24, factored=20, solving=28)
"""The memory of `repaired`, which makes copies of parts of the Gram matrix."""


@dataclass(frozen=True)
class Repairing:
    """How the layers that read units are repaired.

    Attributes:
        correction: how far a repair makes up for the losses of earlier layers, from 0 to 1.
        damping: how strongly the weights are held to the dense ones, as in `repaired`.
    """

    correction: float = 0.0
    damping: float = 0.1


def unit_scores(weight: Tensor, input_squares: Tensor, places: Tensor) -> Tensor:
    """Score each unit by the outputs that it alone contributes to the layer that reads it.

    The score of a unit is the sum over tokens, and over the unit's features i, of aᵢ² ‖W:,i‖²,
    where a are the layer's inputs and W its weight.

    Args:
        weight: ``[out, in]``, any float dtype.
        input_squares: ``[in]`` fp32; the sum of each input feature's squares over the tokens.
        places: ``[units, n]`` int64; the features of each unit.

    Returns:
        ``[units]`` fp32.
    """
    columns = input_squares * weight.float().square().sum(0)
    return columns[places.to(columns.device)].sum(1)


def joint_scores(first: Tensor, second: Tensor) -> Tensor:
    """Score each unit by the text on which it contributes more, compared with the other units.

    The scores on each text are divided by their sum, because two texts excite a layer differently.
    So a unit has a low score only if it contributes little on both texts.

    Args:
        first, second: ``[units]`` fp32, the scores on each text; those below 0 stay below 0.

    Returns:
        ``[units]`` fp32.
    """
    return torch.maximum(_shares(first), _shares(second))


def _shares(scores: Tensor) -> Tensor:
    total = scores.clamp(min=0).sum()
    return scores / total if bool(total > 0) else scores


def highest(scores: Tensor, count: int) -> Tensor:
    """Return the indices ``[count]`` of the highest scores, in ascending order.

    Of equal scores, those with lower indices are taken first.
    """
    order = scores.sort(descending=True, stable=True).indices
    return order[:count].sort().values


def repaired(weight: Tensor, gram: Gram, kept: Tensor, damping: float) -> Tensor:
    """Return the weights of the kept input features that make up best for the others.

    With the inputs X, the result S minimises ‖X_K Sᵀ − XWᵀ‖² + λ‖S − W_K‖², where K are the kept
    features and λ is ``damping`` times the mean of the diagonal of XᵀX. It is the same problem that
    the solvers have, but one mask applies to all rows, so one factorization is enough:
    S = W_K + W_R H_RK (H_KK + λI)⁻¹, where H = XᵀX and R are the removed features.

    Args:
        weight: ``[out, in]`` fp32, W.
        gram: H, the Gram matrix of the inputs.
        kept: ``[n]`` int64, K.
        damping: the share of the mean diagonal that is added to the diagonal.

    Returns:
        ``[out, n]`` fp32, S.

    Raises:
        SolverFailedError: the damped Gram matrix is not positive definite, even in fp64.
    """
    scaled = gram.normalised(damping)  # features of different sizes then cost no precision
    removed = torch.ones(len(scaled.scale), dtype=torch.bool, device=weight.device)
    removed[kept] = False
    dense = weight * scaled.scale
    missing = dense[:, removed] @ scaled.matrix[removed][:, kept]
    share = solved(scaled.matrix[kept][:, kept], missing.T).T
    return (dense[:, kept] + share) / scaled.scale[kept]


def repair_cost(layer: LayerShape) -> Cost:
    """Return the cost of scoring the units of a layer's inputs and of repairing the layer.

    The layer is taken to keep half of its features.
    """
    # A product of [out, in/2] and [in/2, in/2], and as much for the substitutions.
    products = product(layer) / 4
    return Cost(
        fp32_matmul=products,
        factorization=cube(layer) / 24 + products,
        elementwise=40 * layer.weights,
    )
