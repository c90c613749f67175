"""The removal of experts that a job asks for."""

from db.spec.options.masks import Propagation
from db.spec.propagation import propagation_of
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName, SelectionName
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.sweep.experts.removing import RemovingExperts


def removing_experts(spec: PruneSpec) -> RemovingExperts | None:
    if spec.method is not MethodName.experts:
        return None
    by_number = spec.selection is SelectionName.frequency
    from_dense = propagation_of(spec) is Propagation.reference
    settings = ExpertSettings(
        spec.ratio or 0.0, spec.experts, "frequency" if by_number else "reap", from_dense
    )
    return RemovingExperts(settings)
