"""The exact solver: by least squares, it makes up for all dropped weights of a row at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from worker.pruning.base.errors import PatternError
from worker.pruning.base.masking import masked
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import INVERSE, MASK_BYTES, cube, product
from worker.pruning.methods.patterns import NofM
from worker.pruning.methods.selection import Selection, group_pattern
from worker.pruning.methods.solvers.joint_choice import joint_keep
from worker.pruning.methods.solvers.least_squares import LeastSquares
from worker.pruning.methods.solvers.solver import Solver, SolverMemory
from worker.pruning.methods.solvers.sparsegpt import COLUMNS, Choose, Elimination, single_choice
from worker.pruning.methods.solvers.sparsegpt import SOLVER as SPARSEGPT
from worker.pruning.stats.gram import Gram

Variant = Literal["ss", "sm", "ms", "mm"]

_BLOCKS = 4  # at most: each takes a factorization per row, and 16 leave 1 to 2 % less error
_SYSTEM_BYTES = 24  # per entry of a row's system: gathering it and reading it


@dataclass(frozen=True)
class Exact:
    """Chooses a mask from left to right, and repairs the kept weights.

    Zhao et al., 2024 (arXiv:2410.15567). The first letter of a variant says how the mask is chosen:

    - ``s``: by the loss of each weight alone, as in SparseGPT.
    - ``m``: by the joint loss of each set of weights that an N:M pattern allows to be removed from
      a group.

    The second letter says how the kept weights are repaired:

    - ``s``: column by column, as in SparseGPT. Only the weights to the right make up for a loss.
    - ``m``: all at once, by least squares. The mask is chosen for one block of columns after
      another, with a repair column by column inside the block. Before the mask of a block is
      chosen, the block's weights are computed by least squares, to make up for all losses in
      earlier blocks.

    Attributes:
        variant: None selects ``mm`` with an N:M pattern, and ``sm`` otherwise.
    """

    variant: Variant | None = None

    def __call__(
        self,
        weight: Tensor,
        gram: Gram,
        selection: Selection,
        score: Tensor | None = None,
        damping: float = 0.1,
    ) -> Tensor:
        """Return the sparse weights of one layer, with a mask by score or the solver's own mask.

        Args:
            weight: ``[out, in]``, any float dtype; not modified.
            gram: second moments of the ``in`` input features.
            selection: which weights are kept.
            score: ``[out, in]``; if given, it alone decides the mask, and all kept weights are
                repaired at once.
            damping: at least this share of the mean diagonal is added to the diagonal; published
                as 1 %.

        Returns:
            ``[out, in]`` fp32, +0.0 where dropped; columns of dead features are zero throughout.

        Raises:
            ShapeError: weight, Gram matrix, score or selection do not fit each other.
            PatternError: the variant compares sets of weights in a group, but the selection has no
                groups.
            SolverFailedError: the damped Gram matrix is not positive definite.
        """
        gram.check_fits(weight)
        if score is not None:
            keep = selection.keep(score)
            return masked(LeastSquares(weight, gram, damping).solution(keep), keep)
        pattern = group_pattern(selection)
        variant = self.variant or ("mm" if pattern else "sm")
        choose: Choose = single_choice if variant[0] == "s" else _joint_choice(pattern, weight)
        run = Elimination(weight, gram, selection, damping, choose)
        if variant[1] == "s":
            run.select_and_eliminate(0, weight.shape[1])
            return masked(run.work.T, run.keep)
        squares = LeastSquares(weight, gram, gram.damping or damping)
        for start, stop in _blocks(weight.shape[1], pattern):
            if start:  # repair the losses of the blocks before
                run.work[start:stop] = squares.solution(run.keep, slice(start, stop)).T
            run.select_and_eliminate(start, stop)
        return masked(squares.solution(run.keep), run.keep)


def variant_of(solver: Solver, variant: Variant) -> Solver:
    """Return ``solver``, which has to be ``exact``, with a fixed variant.

    If the variant repairs column by column, the returned solver has SparseGPT's name, so that a job
    with this variant is planned like a job with SparseGPT.
    """
    if variant[1] == "m":
        return replace(solver, solve=Exact(variant))
    return replace(solver, name=SPARSEGPT.name, solve=Exact(variant))


def _joint_choice(pattern: NofM | None, weight: Tensor) -> Choose:
    if pattern is None:
        raise PatternError("variants ms and mm compare sets of a group", "choose N:M, or sm or ss")
    pattern.check_splits(weight)
    kept = pattern.n
    return lambda group, factor, _: joint_keep(group, factor.T @ factor, kept)


def _blocks(columns: int, pattern: NofM | None) -> Iterator[tuple[int, int]]:
    """Yield, for each block of columns, its first column and the column after its last."""
    width = _width(columns, pattern.m if pattern else COLUMNS)
    for start in range(0, columns, width):
        yield start, min(columns, start + width)


def _width(columns: int, group: int) -> int:
    """Return how many columns a block of columns has: a multiple of ``group``."""
    least = max(COLUMNS, -(-columns // _BLOCKS))
    return -(-least // group) * group


def _cost(layer: LayerShape, selects: bool) -> Cost:
    # Half of the weights are assumed to be dropped: other sparsities have smaller systems.
    half = layer.inputs / 2
    repairing = Cost(
        factorization=layer.outputs * half**3 / 3,
        elementwise=layer.outputs * half**2 * _SYSTEM_BYTES + 40 * layer.weights,
    )
    if not selects:
        return repairing + Cost(fp32_matmul=product(layer))
    width = min(layer.inputs, _width(layer.inputs, COLUMNS))
    blocks = layer.inputs / width
    # The k-th of n blocks finds k/n of the dropped weights: sums of k³/n³ and k²/n² below n.
    cubes, squares = (blocks - 1) ** 2 / (4 * blocks), (blocks - 1) * (2 * blocks - 1) / 6 / blocks
    return repairing + Cost(
        factorization=(1 + INVERSE) * cube(layer) + cubes * repairing.factorization,
        fp32_matmul=(2 - 1 / blocks) * product(layer) + width * layer.weights,
        elementwise=squares * repairing.elementwise + (104 + MASK_BYTES) * layer.weights,
    )


SOLVER = Solver(
    "exact",
    Exact(),
    damping=0.1,
    counting="rounded",
    memory=SolverMemory(factorizing=40, factored=44, solving=44),
    cost=_cost,
)
AS_PUBLISHED = replace(SOLVER, damping=0.01)
