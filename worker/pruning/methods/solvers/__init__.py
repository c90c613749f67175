"""What users write in a job to have the kept weights repaired, and the function it names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from worker.pruning.base.errors import UnknownSolverError
from worker.pruning.methods.solvers.admm import admm
from worker.pruning.methods.solvers.alps import alps, brisk_alps
from worker.pruning.methods.solvers.selection import Selection
from worker.pruning.methods.solvers.sparsegpt import sparsegpt
from worker.pruning.stats.gram import Gram

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
            fitted to the calibration text.
        counts: how its own code counts where it chooses the mask itself: it rounds the number to
            drop, truncates it, or drops one more of each matrix or 128 columns.
    """

    name: str
    solve: Solve
    damping: float
    counts: Literal["rounded", "truncated", "inclusive"]


_SPARSEGPT = Solver("sparsegpt", sparsegpt, 0.01, "inclusive")
_ADMM = Solver("admm", admm, 0.1, "truncated")

SOLVERS = {s.name: s for s in (_SPARSEGPT, _ADMM, Solver("alps", brisk_alps, 0.1, "rounded"))}
PUBLISHED = {s.name: s for s in (_SPARSEGPT, _ADMM, Solver("alps", alps, 0.01, "rounded"))}
"""As the methods' own codes are: ALPS damped less, in twice the steps."""


def get_solver(name: str, *, as_published: bool = False) -> Solver:
    """Return the solver registered under ``name``: ours, or the one its own code is.

    Raises:
        UnknownSolverError: there is none.
    """
    try:
        return (PUBLISHED if as_published else SOLVERS)[name]
    except KeyError:
        raise UnknownSolverError(name, sorted(SOLVERS)) from None
