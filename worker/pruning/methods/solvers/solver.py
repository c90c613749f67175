"""What a solver consists of: its function, its default damping, and its cost and memory."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.selection import Selection
from worker.pruning.stats.gram import Gram

Counting = Literal["rounded", "truncated", "inclusive"]


class Solve(Protocol):
    """The signature of `Solver.solve`, which computes the weights of one layer."""

    def __call__(
        self, weight: Tensor, gram: Gram, selection: Selection, score: Tensor | None, damping: float
    ) -> Tensor:
        """Return the sparse weights of one linear layer, ``[out, in]`` fp32.

        Args:
            weight: ``[out, in]``, any float dtype; not modified.
            gram: second moments of the ``in`` input features.
            selection: which weights compete, and how many of them are kept.
            score: ``[out, in]``; if given, it alone decides the mask; if None, the solver does.
            damping: how strongly the kept weights are pulled to their dense values.
        """


class SolverCost(Protocol):
    """The signature of the function that predicts a solver's cost."""

    def __call__(self, layer: LayerShape, selects: bool) -> Cost:
        """Return the cost of solving one layer.

        If layers with the same input share one factorization, its cost is included only for the
        first of them.

        Args:
            selects: whether the solver chooses the mask as well.
        """


@dataclass(frozen=True)
class SolverMemory:
    """The memory that a solver needs, in bytes.

    Attributes:
        factorizing: bytes per entry of ``[in, in]`` during a factorization.
        factored: bytes per entry of ``[in, in]`` after the factorization, while the layers that
            share the input are solved.
        solving: bytes per weight while a layer is solved.
        refactorizing: bytes per weight during a factorization, for solvers that factorize
            repeatedly.
    """

    factorizing: int
    factored: int
    solving: int
    refactorizing: int = 0


@dataclass(frozen=True)
class Solver:
    """A way to choose and repair the weights of one linear layer, given its inputs' Gram matrix.

    A solver should usually choose the mask itself: with their own masks, ADMM and ALPS leave a
    third less output error than the best weights on a mask by score (measured on SmolLM2-135M at a
    sparsity of 50 %).

    Attributes:
        name: the name that users write in a job.
        solve: computes the weights.
        damping: the default damping. A larger damping fits the weights less to the calibration
            text.
        counting: how many weights the authors' code drops if the solver chooses the mask:
            ``rounded``, the nearest integer to the requested number; ``truncated``, that number
            without its fraction; ``inclusive``, one weight more than ``truncated`` for each matrix
            or for each 128 columns.
        memory: the memory that the solver needs, for planning a job.
        cost: predicts the solver's cost, for predicting a job's time.
    """

    name: str
    solve: Solve
    damping: float
    counting: Counting
    memory: SolverMemory
    cost: SolverCost
