"""What users write in a job, and the function it names."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from worker.pruning.base.errors import UnknownMethodError
from worker.pruning.methods import scores
from worker.pruning.methods.patterns import Scope


@dataclass(frozen=True)
class Method:
    """A way to score the weights of one linear layer.

    Attributes:
        name: what users write in a job.
        score: ``(weight [out, in], input_sq_mean [in]) -> [out, in]`` fp32; the gradients' norms
            ``[out, in]`` are a third argument where ``gradients``.
        scope: which weights compete in the published form of the method.
        gradients: whether the dense model's gradients have to be measured first.
    """

    name: str
    score: Callable[..., Tensor]
    scope: Scope
    gradients: bool = False


METHODS = {
    method.name: method
    for method in (
        Method("zpruner", scores.zpruner, "matrix"),
        Method("magnitude", scores.magnitude, "matrix"),
        Method("wanda", scores.wanda, "row"),
        Method("ria", scores.ria, "matrix"),
        Method("gblm", scores.gblm, "row", gradients=True),
    )
}


def get_method(name: str) -> Method:
    """Return the method registered under ``name``.

    Raises:
        UnknownMethodError: there is none.
    """
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethodError(name, sorted(METHODS)) from None
