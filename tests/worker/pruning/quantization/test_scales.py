"""The scale of a group of weights."""

import pytest
import torch
from torch import Tensor

from worker.pruning.quantization.scales import choose_scales, round_to
from worker.pruning.quantization.scheme import Scheme


def weights(columns: int = 16, rows: int = 5) -> Tensor:
    """Return weights ``[columns, rows]``, half of which are zero."""
    drawn = torch.randn(columns, rows, generator=torch.Generator().manual_seed(0))
    return drawn * (drawn.abs() > drawn.abs().median())


@pytest.mark.parametrize("bits", [4, 8])
def test_minmax_makes_the_largest_weight_of_each_row_exact(bits: int) -> None:
    group = weights()
    scale = choose_scales(group, torch.ones(16), Scheme(bits, 16, "minmax"), torch.float32)
    for row in range(5):
        largest = group[:, row].abs().max()
        assert scale[row] == largest / (2 ** (bits - 1) - 1)
    rounded = round_to(group, scale, bits) * scale
    torch.testing.assert_close(rounded.abs().amax(0), group.abs().amax(0))


def test_mse_takes_the_scale_with_the_least_error_weighted_by_the_inputs() -> None:
    group, sq_mean = weights(), torch.linspace(0.1, 3, 16)
    found = choose_scales(group, sq_mean, Scheme(4, 16), torch.float32)
    for row in range(5):
        errors = {}
        for step in range(21):
            scale = float(group[:, row].abs().max() / 7 * (1 - step / 40))
            error = 0.0
            for column in range(16):
                weight = float(group[column, row])
                integer = min(7, max(-8, round(weight / scale)))
                error += float(sq_mean[column]) * (integer * scale - weight) ** 2
            errors[scale] = error
        best = min(errors, key=errors.__getitem__)
        assert float(found[row]) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [1.0, 1e-7, 1e-40])
def test_scales_are_positive_and_those_that_are_stored(dtype: torch.dtype, size: float) -> None:
    group = weights() * size
    scale = choose_scales(group, torch.ones(16), Scheme(4, 16), dtype)
    assert (scale > 0).all()
    assert torch.equal(scale.to(dtype).float(), scale)
    assert round_to(group, scale, 4).isfinite().all()


def test_a_row_without_weights_has_the_scale_1() -> None:
    group = weights()
    group[:, 2] = 0.0
    scale = choose_scales(group, torch.ones(16), Scheme(4, 16), torch.float32)
    assert scale[2] == 1
    assert (round_to(group, scale, 4)[:, 2] == 0).all()
