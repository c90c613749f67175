"""Advice on a valid job: what was measured to be better than what it asks for."""

from collections.abc import Iterator

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.measured_quality import (
    COLUMNS,
    DENSE,
    FIRST_WRITING,
    FORWARD_PASSES,
    MODEL,
    OF_PRESET,
    PERPLEXITY,
    WITH_OWL,
    WORST_OF_HALF_GENERATED,
    WORST_OF_ONE_TEXT,
    column_of,
    perplexity_of,
    written,
)
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import AllocationName
from db.spec.pruning.methods import OWN_MASK, ZEROING, SolverName
from db.spec.pruning.presets import PRESETS

OWL_FROM = 0.55
"""At a lower sparsity ``owl`` changed the perplexity by less than 1 %."""
WITH_KERNELS = "2:4"
"""The one pattern for which GPUs have instructions."""


def advice(spec: PruneSpec) -> list[str]:
    """Return sentences about a valid job, each on what would improve its result.

    A field that the job's preset sets and the request has changed was changed on purpose: there is
    no advice on it.
    """
    return [*_of_preset(spec), *_of_allocation(spec), *_of_mix(spec), *_of_zeros(spec)]


def _of_preset(spec: PruneSpec) -> Iterator[str]:
    """Yield the presets that are better than a score alone, and what they cost.

    A score whose mask is repaired or trained was not measured beside them.
    """
    column, method = column_of(spec), spec.method
    is_repaired = spec.solver is not SolverName.none or spec.refine or spec.recover
    is_measured = method in PERPLEXITY.keys() - OWN_MASK
    if column is None or spec.preset is not None or is_repaired or not is_measured:
        return
    own = PERPLEXITY[method][COLUMNS.index(column)]
    reached = {
        preset: dict(zip(COLUMNS, figures, strict=False)).get(column, own)
        for preset, figures in OF_PRESET.items()
    }
    better = [
        f"preset {preset} {written(figure)} in {FORWARD_PASSES[preset]:.1f} forward passes"
        for preset, figure in reached.items()
        if figure < own
    ]
    if better:
        default = ", the default," if method == PruneSpec.model_fields["method"].default else ""
        yield (
            f"Method {method}{default} reached perplexity {written(own)} at {column} ({MODEL}, "
            f"dense {DENSE:.1f}); {', '.join(better)} of the calibration text. Set preset in place "
            "of method."
        )


def _of_allocation(spec: PruneSpec) -> Iterator[str]:
    """Yield that ``owl`` is better, if the job can have it."""
    column, method = column_of(spec), spec.method
    is_chosen = spec.allocation is not AllocationName.uniform or _is_preset(spec, "allocation")
    if column is None or spec.sparsity < OWL_FROM or is_chosen or method not in WITH_OWL:
        return
    try:
        check_combination(spec.model_copy(update={"allocation": AllocationName.owl}))
    except SpecRefusedError:
        return
    yield (
        f"At {column} allocation owl lowered the perplexity of method {method} from "
        f"{perplexity_of(method, column)} to {written(WITH_OWL[method][COLUMNS.index(column)])} on "
        f"{MODEL}, for one more forward pass of the calibration text."
    )


def _of_mix(spec: PruneSpec) -> Iterator[str]:
    """Yield that a recovery on one text costs quality on others."""
    trains = spec.recover is not None and spec.recover.kind != "router"
    if trains and not spec.mix and not _is_preset(spec, "mix"):
        yield (
            "recover trains on one text: of six other texts the worst then had "
            f"{WORST_OF_ONE_TEXT} times the dense model's perplexity, and "
            f"{WORST_OF_HALF_GENERATED} times with mix generated=0.5 ({MODEL} at 50 %), for "
            f"{FIRST_WRITING} times the time in the first job of a model. Naming texts of each "
            "kind that the model is for helps more."
        )


def _of_zeros(spec: PruneSpec) -> Iterator[str]:
    """Yield that zeros save nothing, unless the job also rounds weights or has a use for zeros."""
    is_packed = spec.quantize is not None or spec.binarize is not None
    leaves_zeros = spec.method in ZEROING and spec.sparsity > 0
    if leaves_zeros and not is_packed and spec.pattern != WITH_KERNELS:
        yield (
            "Zeros make a model neither smaller nor faster in most programs: quantize makes it "
            "smaller, and method neurons with a ratio makes it both."
        )


def _is_preset(spec: PruneSpec, name: str) -> bool:
    return name in PRESETS.get(str(spec.preset), ())
