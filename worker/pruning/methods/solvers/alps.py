"""The ALPS solver: it searches for the mask with a rising penalty, then solves for the weights."""

from dataclasses import replace

import torch
from torch import Tensor

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.base.masking import mask_as_float, masked
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import MASK_BYTES, product
from worker.pruning.methods.selection import Selection
from worker.pruning.methods.solvers.penalty import FAST, PUBLISHED, Penalty, Schedule
from worker.pruning.methods.solvers.solver import Solver, SolverMemory
from worker.pruning.stats.gram import Gram, NormalisedGram

_SETTLED_FROM = 30  # steps after which a nearly constant support ends the search
_SETTLED = 3e-4  # of the kept weights
_REPAIR_STEPS = 10
_FLATTEST = -1e-3  # of a positive definite matrix of unit diagonal, but for rounding
_TINY = torch.finfo(torch.float32).tiny


def alps(
    weight: Tensor,
    gram: Gram,
    selection: Selection,
    score: Tensor | None = None,
    damping: float = 0.01,
    schedule: Schedule = PUBLISHED,
) -> Tensor:
    """Find the mask by ADMM with a rising penalty, then the weights by conjugate gradients.

    Meng et al., 2024 (arXiv:2406.07831), algorithms 1 and 2, and the authors' code. With N the
    Gram matrix, damped and scaled to unit diagonal, and Ŵ the weights scaled to match:
    B = (ŴN − V + ρD) (N + ρI)⁻¹, D = largest entries of B + V/ρ, V += ρ(B − D). Every few steps
    ρ is adapted to how much the support (the places of the largest entries) has changed (see
    `Penalty.review`). Then ten conjugate gradient steps, preconditioned by the scaling, reduce the
    output error on the support of B.

    The published code uses one eigendecomposition for every ρ, which takes as long as dozens of
    Cholesky inversions. Here each ρ gets an inversion of its own, because a run usually needs only
    about a dozen inversions.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        selection: which weights are kept.
        score: ``[out, in]``; if given, it alone decides the mask, and only the conjugate
            gradient steps run.
        damping: share of the mean diagonal that is added to the diagonal; published as 1 %.
        schedule: how fast ρ rises.

    Returns:
        ``[out, in]`` fp32, +0.0 where dropped; columns of dead features are zero throughout.

    Raises:
        ShapeError: weight, Gram matrix, score or selection do not fit each other.
        SolverFailedError: the damped Gram matrix is not positive definite.
    """
    gram.check_fits(weight)
    scaled = gram.normalised(damping)
    target = (weight.float() * scaled.scale).masked_fill_(gram.dead, 0.0)  # [out, in]
    pull = target @ scaled.matrix
    if score is None:
        solution = _search(target, pull, scaled, selection, schedule)
        keep = selection.keep(solution.abs())
    else:
        solution, keep = target, selection.keep(score)
    repaired = _repair(solution.masked_fill(~keep, 0.0), pull, scaled.matrix, keep)
    return masked((repaired / scaled.scale).masked_fill_(gram.dead, 0.0), keep)


def fast_alps(
    weight: Tensor,
    gram: Gram,
    selection: Selection,
    score: Tensor | None = None,
    damping: float = 0.1,
) -> Tensor:
    """Run `alps` with a penalty that starts higher and rises faster than published.

    The search ends after at most 16 steps, or 16 steps after its last restart. On SmolLM2-135M's
    layers, the published schedule takes 33 to 42 steps and leaves 1 % less output error.
    """
    return alps(weight, gram, selection, score, damping, FAST)


def _search(
    target: Tensor, pull: Tensor, scaled: NormalisedGram, selection: Selection, schedule: Schedule
) -> Tensor:
    """Return B ``[out, in]`` once its support hardly changes, or after the last allowed step."""
    first = seen = selection.keep(target.abs())
    sparse, dual = target * mask_as_float(first), torch.zeros_like(target)  # D and V/ρ
    penalty = Penalty(int(first.count_nonzero()), schedule)
    inverse = scaled.inverse(penalty.rho)
    answer = torch.empty_like(target)
    step, last = 0, schedule.steps
    while True:
        step += 1
        torch.mm(sparse.sub_(dual).mul_(penalty.rho).add_(pull), inverse, out=answer)
        proposal = dual.add_(answer)
        keep = selection.keep(proposal.abs())
        sparse = proposal * mask_as_float(keep)
        dual = proposal.sub_(sparse)  # V/ρ + B − D
        if step == last:
            return answer
        if step % schedule.every:
            continue
        changed, rho = int((keep != seen).count_nonzero()), penalty.rho
        verdict = penalty.review(changed)
        settled = step > _SETTLED_FROM and changed < _SETTLED * penalty.kept_weights
        if settled or verdict == "settled":
            return answer
        if verdict == "restart":
            sparse, dual = target * mask_as_float(first), torch.zeros_like(target)
            last = step + schedule.steps
        dual.mul_(rho / penalty.rho)
        seen, inverse = keep, scaled.inverse(penalty.rho)


def _repair(start: Tensor, pull: Tensor, matrix: Tensor, keep: Tensor) -> Tensor:
    """Reduce the output error of kept weights ``[out, in]`` by conjugate gradients; return them."""
    factor = mask_as_float(keep)
    solution, failed = start, torch.zeros_like(start[:, :1], dtype=torch.bool)
    residual = torch.addmm(pull, start, matrix, alpha=-1).mul_(factor)
    direction, power = residual, residual.square().sum(1, keepdim=True)
    for _ in range(_REPAIR_STEPS):
        image = direction @ matrix
        curvature = (direction * image).sum(1, keepdim=True)
        failed |= curvature < _FLATTEST * direction.square().sum(1, keepdim=True)
        length = power / curvature.clamp(min=_TINY)  # 0 in rows that are solved
        solution = torch.addcmul(solution, length, direction)
        residual = torch.addcmul(residual, length, image, value=-1).mul_(factor)
        before, power = power, residual.square().sum(1, keepdim=True)
        direction = torch.addcmul(residual, power / before.clamp(min=_TINY), direction)
    if bool(failed.any()):
        raise SolverFailedError("not positive definite as it is damped")
    return solution


def _cost(layer: LayerShape, selects: bool) -> Cost:
    repairing = Cost(
        fp32_matmul=(_REPAIR_STEPS + 2) * product(layer),
        elementwise=_REPAIR_STEPS * 56 * layer.weights,
    )
    if not selects:
        return repairing
    return repairing + Cost(  # of `fast_alps`, without a restart
        factorization=FAST.steps / FAST.every * layer.inputs**3,
        fp32_matmul=FAST.steps * product(layer),
        elementwise=FAST.steps * (MASK_BYTES + 48) * layer.weights,
    )


_MEMORY = SolverMemory(factorizing=32, factored=16, solving=44, refactorizing=24)
SOLVER = Solver("alps", fast_alps, damping=0.1, counting="rounded", memory=_MEMORY, cost=_cost)
AS_PUBLISHED = replace(SOLVER, solve=alps, damping=0.01)
