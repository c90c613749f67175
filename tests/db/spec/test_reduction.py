"""One figure for zeros, removed parameters and bits."""

from typing import Any

import pytest

from db.spec.reduction import reduction, removed_share

SMALLER = {"parameters": 78, "parameters_removed": 22}


@pytest.mark.parametrize(
    ("metrics", "share"),
    [
        ({"sparsity": 0.5, "parameters": 100, "parameters_removed": 0}, 0.5),
        ({"sparsity": 0.0, **SMALLER}, 0.22),
        ({"sparsity": 0.0, "quantization": {"bits_per_weight": 4}}, 0.75),
        ({"sparsity": 0.5, "quantization": {"bits_per_weight": 4}}, 0.875),
        ({"sparsity": 0.5, "binarization": {"bits_per_weight": 2}}, 0.875),
        ({"sparsity": 0.5, "parameters": 50, "parameters_removed": 50}, 0.75),
        ({"sparsity": 0.0}, 0.0),
        ({"parameters": 100}, None),
        ({}, None),
    ],
)
def test_zeros_removed_parameters_and_bits_multiply_what_is_left(
    metrics: dict[str, Any], share: float | None
) -> None:
    assert reduction(metrics) == share


def test_no_share_is_removed_if_no_parameter_was() -> None:
    assert removed_share(SMALLER) == 0.22
    assert removed_share({"parameters": 78, "parameters_removed": 0}) is None
