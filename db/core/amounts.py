"""Amounts of money and time as texts."""

import math


def readable(amount: float) -> str:
    """Return an amount with two decimals, or with two significant digits where it needs more."""
    decimals = 2 if amount == 0 else max(2, 1 - math.floor(math.log10(abs(amount))))
    return f"{amount:,.{decimals}f}"
