"""What users write in a job, and the function it names."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from worker.pruning import scores
from worker.pruning.errors import UnknownMethodError


@dataclass(frozen=True)
class Method:
    """A way to score the weights of one linear layer.

    Attributes:
        name: what users write in a job.
        score: ``(weight [out, in], input_sq_mean [in]) -> [out, in]`` fp32.
    """

    name: str
    score: Callable[[Tensor, Tensor], Tensor]


METHODS = {m.name: m for m in (Method("zpruner", scores.zpruner),)}


def get_method(name: str) -> Method:
    """Return the method registered under ``name``.

    Raises:
        UnknownMethodError: there is none.
    """
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethodError(name, sorted(METHODS)) from None
