"""The binarisation that a job asks for."""

from db.spec.prune_spec import PruneSpec
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization


def binarizing(spec: PruneSpec) -> Binarizing | None:
    if (binarize := spec.binarize) is None:
        return None
    low, high = binarize.limits
    settings = Binarization(
        kept=binarize.kept,
        low=low,
        high=high,
        group_size=binarize.group_size,
        salient=binarize.salient,
    )
    return Binarizing(settings)
