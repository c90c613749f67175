"""The removal of experts that a job asks for."""

from db.spec.options.masks import Propagation
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName, SelectionName
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.sweep.experts.removing import RemovingExperts


def removing_experts(spec: PruneSpec) -> RemovingExperts | None:
    if spec.method is not MethodName.experts:
        return None
    by_number = spec.selection is SelectionName.frequency
    as_published = spec.propagation is Propagation.reference
    settings = ExpertSettings(
        spec.ratio or 0.0, spec.experts, "frequency" if by_number else "reap", as_published
    )
    return RemovingExperts(settings)
