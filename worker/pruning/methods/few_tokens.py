"""How many calibration tokens an expert needs for a score and for a repair."""

FEWEST_TO_SCORE = 32
"""Tokens of an expert from which a score that uses their norms leaves less output error than one
that does not: measured on SmolLM2-135M with the layers of two blocks."""
FEWEST_TO_REPAIR = 2
"""Tokens for each input feature of an expert from which a repair lowers its output error: measured
in the same way."""


def reached(tokens: int, fewest: int) -> str:
    """Return the reason why a layer was not pruned as requested."""
    return f"{tokens} calibration tokens reached this layer, fewer than {fewest}"
