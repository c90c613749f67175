"""The ADMM solver: it alternates between the best weights and the sparse weights nearest them."""

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float, masked
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import MASK_BYTES, cube, product
from worker.pruning.methods.selection import Selection, partial_selection
from worker.pruning.methods.solvers.solver import Solver, SolverMemory
from worker.pruning.stats.gram import Gram

_STEPS = 20
_SELECTING_STEPS = 15
_RHO = 1.0


def admm(
    weight: Tensor,
    gram: Gram,
    selection: Selection,
    score: Tensor | None = None,
    damping: float = 0.1,
) -> Tensor:
    """Find sparse weights whose outputs are close to those of the dense weights, by ADMM.

    Boza, 2024 (arXiv:2401.02938), algorithm 1, and the author's code. H is the Gram matrix, D the
    diagonal matrix of the inputs' norms, and Ŵ the dense weights times D. With the damping δ,
    G = D⁻¹HD⁻¹ + δI. From W = Ŵ and U = 0, each step computes Z = M ⊙ (W + U), U += W − Z, and
    W = (ŴG + ρ(Z − U)) (G + ρI)⁻¹, with ρ = 1. Each of the first 15 of 20 steps chooses a new mask
    M, which keeps the largest \\|W + U\\|. The mask of step t drops only a share of 1 − (1 − t/15)³
    of the weights that are to be dropped in the end. If the weights of the whole matrix compete,
    every mask drops all of these weights (see `partial_selection`). One inverse serves all steps,
    and all layers with this input.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        selection: which weights are kept.
        score: ``[out, in]``; if given, it alone decides the mask, and no step changes it.
        damping: δ, which is added to the unit diagonal of the scaled Gram matrix; published as 0.1.

    Returns:
        ``[out, in]`` fp32, +0.0 where dropped; columns of dead features are zero throughout.

    Raises:
        ShapeError: weight, Gram matrix, score or selection do not fit each other.
        SolverFailedError: the Gram matrix is far from positive definite.
    """
    gram.check_fits(weight)
    scaled = gram.normalised()
    target = (weight.float() * scaled.scale).masked_fill_(gram.dead, 0.0)  # [out, in]
    pull = torch.addmm(target, target, scaled.matrix, beta=damping)
    inverse = scaled.inverse(damping + _RHO, keep=True)
    given = None if score is None else selection.keep(score)
    total = target  # W + U
    for step in range(_STEPS):
        if step < _SELECTING_STEPS:
            share = 1 - (1 - (step + 1) / _SELECTING_STEPS) ** 3
            keep = partial_selection(selection, share).keep(total.abs()) if given is None else given
        sparse = total * mask_as_float(keep)  # Z
        dual = total.sub_(sparse)  # U
        total = torch.add(pull, sparse.sub_(dual), alpha=_RHO) @ inverse
        total.add_(dual)
    return masked((total / scaled.scale).masked_fill_(gram.dead, 0.0), keep)


def _cost(layer: LayerShape, selects: bool) -> Cost:
    return Cost(
        factorization=cube(layer),
        fp32_matmul=(_STEPS + 1) * product(layer),
        elementwise=layer.weights * (_STEPS * 48 + _SELECTING_STEPS * MASK_BYTES * selects),
    )


SOLVER = Solver(
    "admm",
    admm,
    damping=0.1,
    counting="truncated",
    memory=SolverMemory(factorizing=28, factored=18, solving=36),
    cost=_cost,
)
