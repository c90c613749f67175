"""The errors by which a rotation is chosen, compared with loops."""

import pytest
import torch

from worker.pruning.quantization.scheme import Scheme
from worker.pruning.rotation.errors import Choice, RoundingErrors, rounding_errors


def error_by_loops(values: list[float], most: int) -> float:
    """Return the squared error of rounding some numbers with the scale of the largest."""
    scale = max(map(abs, values)) / most
    return sum((round(one / scale) * scale - one) ** 2 for one in values)


@pytest.mark.parametrize(("bits", "most"), [(4, 7), (8, 127)])
def test_errors_are_those_of_groups_of_weights_and_of_tokens(bits: int, most: int) -> None:
    generator = torch.Generator().manual_seed(bits)
    weight, inputs = (torch.randn(*one, generator=generator) for one in ((6, 16), (5, 16)))

    found = rounding_errors({"q.weight": weight}, ["q"], {"q": inputs}, Scheme(bits, 8, "minmax"))

    groups = [half for row in weight.tolist() for half in (row[:8], row[8:])]
    assert found.weights == pytest.approx(sum(error_by_loops(one, most) for one in groups), 1e-4)
    tokens = [error_by_loops(one, most) for one in inputs.tolist()]
    assert found.inputs == pytest.approx(sum(tokens) / 5, 1e-4)
    assert found.total == found.weights + found.inputs


def test_the_rotation_is_used_only_if_it_makes_the_sum_of_both_errors_smaller() -> None:
    small, large = RoundingErrors(1.0, 2.0), RoundingErrors(2.5, 1.0)
    assert Choice(without=large, rotated=small).is_rotated
    assert not Choice(without=small, rotated=large).is_rotated
    assert not Choice(small, small).is_rotated
    assert Choice(large, small).as_json() == {
        "without": {"weights": 2.5, "inputs": 1.0},
        "rotated": {"weights": 1.0, "inputs": 2.0},
        "is_rotated": True,
    }
