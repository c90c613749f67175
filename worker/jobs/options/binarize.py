"""The binarisation that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization


def binarizing(spec: PruneSpec) -> Binarizing | None:
    if (binarize := spec.binarize) is None:
        return None
    settings = (binarize.kept, *binarize.limits, binarize.group_size, binarize.salient)
    return Binarizing(Binarization(*settings))
