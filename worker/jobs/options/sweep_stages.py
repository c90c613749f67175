"""The stages of a job's sweep, in their order."""

from collections.abc import Callable

from db.spec.prune_spec import PruneSpec
from worker.jobs.options.quantize import quantizing
from worker.jobs.options.refine import refining
from worker.jobs.options.rotate import rotating
from worker.pruning.sweep.recipe.stage import SweepStage

_STAGES: tuple[Callable[[PruneSpec], SweepStage | None], ...] = (rotating, refining, quantizing)


def sweep_stages(spec: PruneSpec) -> tuple[SweepStage, ...]:
    stages = (stage_of(spec) for stage_of in _STAGES)
    return tuple(stage for stage in stages if stage is not None)
