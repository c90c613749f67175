"""What users write in a job to have the kept weights repaired, and the function it names."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from worker.pruning.errors import UnknownSolverError
from worker.pruning.gram import Gram
from worker.pruning.solvers.admm import admm
from worker.pruning.solvers.alps import alps
from worker.pruning.solvers.selection import Selection
from worker.pruning.solvers.sparsegpt import sparsegpt

Solve = Callable[[Tensor, Gram, Selection, Tensor | None, float], Tensor]


@dataclass(frozen=True)
class Solver:
    """A way to choose and repair the weights of one linear layer.

    Attributes:
        name: what users write in a job.
        solve: ``(weight [out, in], gram, pattern, score [out, in] or None, damping)`` to
            ``[out, in]`` fp32.
            With a score that alone decides the mask, without one the solver's own rule does.
            Where both are free to choose, ADMM's and ALPS's own masks leave a third less output
            error (measured on SmolLM2-135M at 50 %) than the best weights on a mask by score.
        damping: the share that holds the kept weights to the dense ones, so that they are less
            fitted to the calibration text; ALPS needs more of it than was published.
        published_damping: the same in the method's own code.
        exact: whether its own code drops as many as asked where it chooses the mask itself.
    """

    name: str
    solve: Solve
    damping: float
    published_damping: float
    exact: bool


SOLVERS = {
    s.name: s
    for s in (
        Solver("sparsegpt", sparsegpt, 0.01, 0.01, exact=False),
        Solver("admm", admm, 0.1, 0.1, exact=True),
        Solver("alps", alps, 0.1, 0.01, exact=True),
    )
}


def get_solver(name: str) -> Solver:
    """Return the solver registered under ``name``.

    Raises:
        UnknownSolverError: there is none.
    """
    try:
        return SOLVERS[name]
    except KeyError:
        raise UnknownSolverError(name, sorted(SOLVERS)) from None
