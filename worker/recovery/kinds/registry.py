"""The kinds of recovery, by name."""

from torch import Generator, Tensor

from worker.pruning.base.errors import RecoveryError
from worker.pruning.methods.patterns import Pattern
from worker.recovery.kinds.adaptive import AdaptiveWeights
from worker.recovery.kinds.mask_lora import MaskedLowRank
from worker.recovery.kinds.masked import MaskedWeights
from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization
from worker.recovery.kinds.router import RouterWeights
from worker.recovery.kinds.spp import ScaledWeights
from worker.recovery.settings import Kind


def parametrize(
    kind: Kind,
    stored: Tensor,
    layout: MatrixLayout,
    dense: Tensor | None,
    pattern: Pattern | None,
    generator: Generator,
) -> Parametrization:
    """Return the `Parametrization` of pruned matrices.

    Before training, its weights are the pruned weights, unchanged.

    Args:
        kind: what is trained.
        stored: the parameter with the pruned matrices, in its stored dtype.
        layout: how the matrices are stored in ``stored``.
        dense: the dense model's parameter, for the kind that changes the mask.
        pattern: the pattern that a changing mask must satisfy.
        generator: draws the initial values of adapters, on the CPU.

    Raises:
        RecoveryError: the kind needs a pattern, and none is known.
    """
    check_pattern(kind, pattern)
    if kind == "masked":
        return MaskedWeights(stored)
    if kind == "router":
        return RouterWeights(stored)
    if kind == "ast" and pattern is not None and dense is not None:
        return AdaptiveWeights(stored, dense, layout, pattern)
    adapters = {"mask_lora": MaskedLowRank, "spp": ScaledWeights}
    return adapters[kind](stored, layout, generator)


def check_pattern(kind: Kind, pattern: Pattern | None) -> None:
    """Check that a pattern is known, if the kind needs one.

    Raises:
        RecoveryError: the kind needs a pattern, and none is known.
    """
    if kind == "ast" and pattern is None:
        raise RecoveryError(
            "recover ast changes the mask, but the pattern that it has to satisfy is not known",
            "set recover to masked",
        )
