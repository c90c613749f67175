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


def tradeoff(metrics: Mapping[str, Any]) -> Tradeoff | None:
    """Return the tradeoff of a job with these metrics; None if one of its values is unknown."""
    reduced, perplexity = reduction(metrics), metric_value(metrics, "pruned_perplexity")
    return None if reduced is None or perplexity is None else (reduced, perplexity)


def pareto_front(tradeoffs: Sequence[Tradeoff | None]) -> set[int]:
    """Return the indices of the tradeoffs that no other dominates; ``None`` entries are skipped.

    A tradeoff dominates another if it is at least as good in both values and better in at least
    one. Shares are rounded to `DIGITS` decimal places first.
    """
    known = {
        index: (round(tradeoff[0], DIGITS), tradeoff[1])
        for index, tradeoff in enumerate(tradeoffs)
        if tradeoff is not None
    }
    return {
        index
        for index, tradeoff in known.items()
        if not any(_dominates(other, tradeoff) for other in known.values())
    }


def sparsest(tradeoffs: Sequence[Tradeoff | None]) -> int | None:
    """Return the index of the most reduced one; in a tie, of the one with the lower perplexity."""
    known = [
        (-round(tradeoff[0], DIGITS), tradeoff[1], index)
        for index, tradeoff in enumerate(tradeoffs)
        if tradeoff is not None
    ]
    return min(known)[2] if known else None


def _dominates(one: Tradeoff, other: Tradeoff) -> bool:
    return one != other and one[0] >= other[0] and one[1] <= other[1]
