"""A solver: the function that computes the weights, and how it is run."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

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
    """

    name: str
    solve: Solve
    damping: float
    counting: Counting
