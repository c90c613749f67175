"""How a job propagates where it does not ask for one of both ways."""

from db.spec.options.masks import Propagation
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName

_REPAIRED = (MethodName.neurons, MethodName.heads)
"""Methods whose measurements in the dense model serve every size of the result."""


def propagation_of(spec: PruneSpec) -> Propagation:
    """Return how a job propagates: as it asks, or as its method and its target imply.

    Experts are scored in the dense model, as their authors' code does. A job that aims at a size
    measures channels and heads there, too, so that the next size only cuts; unless each block
    would have to be measured anew all the same, or nothing of two texts is kept (decision 66).
    """
    if spec.propagation is not None:
        return spec.propagation
    anew = (spec.refine, spec.correction, (spec.steps or 1) > 1, spec.keep_dataset)
    aims = spec.target is not None and spec.method in _REPAIRED and not any(anew)
    in_dense = aims or spec.method is MethodName.experts
    return Propagation.reference if in_dense else Propagation.fused
