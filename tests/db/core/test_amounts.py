"""Amounts as texts."""

import pytest

from db.core.amounts import readable


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1234.5, "1,234.50"),
        (0.05, "0.05"),
        (0.0042, "0.0042"),
        (0.00001389, "0.000014"),
        (-0.001, "-0.0010"),
    ],
)
def test_a_small_amount_is_not_written_as_nothing(amount: float, text: str) -> None:
    assert readable(amount) == text
