"""The stages of a job's sweep in their order, and the pruning that replaces a score, if any."""

from collections.abc import Callable

from db.spec.prune_spec import PruneSpec
from worker.jobs.options.binarize import binarizing
from worker.jobs.options.experts import removing_experts
from worker.jobs.options.quantize import quantizing
from worker.jobs.options.refine import refining
from worker.jobs.options.rotate import rotating
from worker.pruning.sweep.recipe.own_pruning import OwnPruning
from worker.pruning.sweep.recipe.stage import SweepStage

_STAGES: tuple[Callable[[PruneSpec], SweepStage | None], ...] = (
    rotating,
    removing_experts,
    refining,
    quantizing,
)
_OWN: tuple[Callable[[PruneSpec], OwnPruning | None], ...] = (binarizing,)


def own_pruning(spec: PruneSpec) -> OwnPruning | None:
    return next(filter(None, (own_of(spec) for own_of in _OWN)), None)


def sweep_stages(spec: PruneSpec) -> tuple[SweepStage, ...]:
    stages = (stage_of(spec) for stage_of in _STAGES)
    return tuple(stage for stage in stages if stage is not None)
