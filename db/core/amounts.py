"""Amounts of money and time as texts."""

import math


def readable(amount: float) -> str:
    """Return an amount with two decimals, or with two significant digits below 0.01."""
    is_tiny = 0 < abs(amount) < 0.01
    decimals = 1 - math.floor(math.log10(abs(amount))) if is_tiny else 2
    return f"{amount:,.{decimals}f}"
