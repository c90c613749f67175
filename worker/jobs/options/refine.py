"""The refinement that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.refinement.refining import Refining


def refining(spec: PruneSpec) -> Refining | None:
    if (refine := spec.refine) is None:
        return None
    trained = (refine.scope, refine.steps, refine.tokens, refine.lr, refine.norms)
    return Refining(Refinement(*trained, spec.seed))
