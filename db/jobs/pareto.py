"""The Pareto front of reduction and perplexity."""

from collections.abc import Mapping, Sequence
from typing import Any

from db.spec.quality_gate import metric_value
from db.spec.reduction import reduction

Tradeoff = tuple[float, float]
"""A reduction (higher is better) and a perplexity (lower is better)."""

DIGITS = 3
"""Shares are rounded to this many decimal places before they are compared, because methods round
the number of zeros per row differently."""


TOLERANCE = 0.005
"""A tradeoff on the front is more reduced than the one before it by more than this: less is no gain
that is worth a higher perplexity."""


def tradeoff(metrics: Mapping[str, Any]) -> Tradeoff | None:
    """Return the tradeoff of a job with these metrics; None if one of its values is unknown."""
    reduced, perplexity = reduction(metrics), metric_value(metrics, "pruned_perplexity")
    return None if reduced is None or perplexity is None else (reduced, perplexity)


def pareto_front(tradeoffs: Sequence[Tradeoff | None]) -> set[int]:
    """Return the indices of the tradeoffs on the front; ``None`` entries are skipped.

    From the lowest perplexity on, it holds each one that is more reduced, by more than `TOLERANCE`,
    than those before it, and all that equal it. Shares are rounded to `DIGITS` decimal places.
    """
    known = {
        index: (round(tradeoff[0], DIGITS), tradeoff[1])
        for index, tradeoff in enumerate(tradeoffs)
        if tradeoff is not None
    }
    kept: list[Tradeoff] = []
    for reduced, perplexity in sorted(known.values(), key=lambda one: (one[1], -one[0])):
        if not kept or reduced > kept[-1][0] + TOLERANCE:
            kept.append((reduced, perplexity))
    return {index for index, tradeoff in known.items() if tradeoff in kept}


def sparsest(tradeoffs: Sequence[Tradeoff | None]) -> int | None:
    """Return the index of the most reduced one; in a tie, of the one with the lower perplexity."""
    known = [
        (-round(tradeoff[0], DIGITS), tradeoff[1], index)
        for index, tradeoff in enumerate(tradeoffs)
        if tradeoff is not None
    ]
    return min(known)[2] if known else None
