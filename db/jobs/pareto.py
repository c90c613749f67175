"""Which of several trades between sparsity and perplexity are worth looking at."""

from collections.abc import Sequence

Trade = tuple[float, float]
"""A sparsity, which is better the higher it is, and a perplexity, the lower."""

DIGITS = 3
"""Sparsities that agree so far count as equal: methods round the zeros of a row differently."""


def pareto_front(trades: Sequence[Trade | None]) -> set[int]:
    """Return the places of those that no other one beats; a None was not measured.

    One beats another if it is at least as good in both respects and better in one.
    """
    known = {
        place: (round(trade[0], DIGITS), trade[1])
        for place, trade in enumerate(trades)
        if trade is not None
    }
    return {
        place
        for place, trade in known.items()
        if not any(_beats(other, trade) for other in known.values())
    }


def _beats(one: Trade, other: Trade) -> bool:
    return one != other and one[0] >= other[0] and one[1] <= other[1]
