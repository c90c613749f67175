"""The refinement that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.refinement.refining import Refining


def refining(spec: PruneSpec) -> Refining | None:
    if (refine := spec.refine) is None:
        return None
    settings = Refinement(
        scope=refine.scope,
        steps=refine.steps,
        tokens=refine.tokens,
        learning_rate=refine.lr,
        norms=refine.norms,
        seed=spec.seed,
    )
    return Refining(settings)
