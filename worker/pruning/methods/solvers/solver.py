"""A solver: the function that computes the weights, and how it is run."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.selection import Selection
from worker.pruning.stats.gram import Gram

Counting = Literal["rounded", "truncated", "inclusive"]


class Solve(Protocol):
    """The function of a solver."""

    def __call__(
        self, weight: Tensor, gram: Gram, selection: Selection, score: Tensor | None, damping: float
    ) -> Tensor:
        """Return the sparse weights of one linear layer, ``[out, in]`` fp32.

        Args:
            weight: ``[out, in]``, any float dtype; not modified.
            gram: second moments of the ``in`` input features.
            selection: how many weights are kept, and which of them compete.
            score: ``[out, in]``; where given it alone decides the mask, otherwise the solver does.
            damping: how strongly the kept weights are held to the dense ones.
        """


class SolverCost(Protocol):
    """The function that predicts a solver's cost."""

    def __call__(self, layer: LayerShape, selects: bool) -> Cost:
        """Return the cost of solving one layer, with factorizations unless it shares its input.

        Args:
            layer: the layer.
            selects: whether the solver chooses the mask as well.
        """


@dataclass(frozen=True)
class SolverMemory:
    """Bytes that a solver needs, derived from its code.

    Attributes:
        factorizing: per entry of ``[in, in]`` during a factorization.
        factored: per entry of ``[in, in]`` afterwards, for all layers that share the input.
        solving: per weight.
        refactorizing: per weight during a factorization, for solvers that repeat it.
    """

    factorizing: int
    factored: int
    solving: int
    refactorizing: int = 0


@dataclass(frozen=True)
class Solver:
    """A way to choose and repair the weights of one linear layer, given its inputs' Gram matrix.

    Where it may choose the mask, a solver usually should: the masks of ADMM and ALPS leave a third
    less output error (measured on SmolLM2-135M at 50 %) than the best weights on a mask by score.

    Attributes:
        name: the name that users write in a job.
        solve: computes the weights.
        damping: the default damping. More of it fits the weights less to the calibration text.
        counting: how many weights the authors' code drops where the solver chooses the mask: the
            rounded number, the truncated one, or one more for each matrix or 128 columns.
        memory: what it needs, from which a job is planned.
        cost: predicts its cost, from which a job's time is predicted.
    """

    name: str
    solve: Solve
    damping: float
    counting: Counting
    memory: SolverMemory
    cost: SolverCost
