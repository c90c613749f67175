"""Weights of 8-bit floats, compared with a loop over values."""

import pytest
import torch

from worker.pruning.model.block_scales import BlockScales


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_weight_is_its_value_times_the_scale_of_its_block(
    stored: torch.dtype, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    values = torch.randn(7, 11).to(torch.float8_e4m3fn)
    scales = torch.rand(3, 3).to(stored)
    blocks = BlockScales(3, 4, dtype)
    assert blocks.fit((7, 11), (3, 3), stored)
    weights = blocks.weights(values, scales)
    expected = [
        [float(values[row, column]) * float(scales[row // 3, column // 4]) for column in range(11)]
        for row in range(7)
    ]
    assert weights.dtype is dtype
    assert torch.equal(weights, torch.tensor(expected, dtype=torch.float64).float().to(dtype))


@pytest.mark.parametrize(
    ("shape", "scales", "dtype"),
    [
        ((7, 11), (3, 4), torch.float32),
        ((7, 11), (2, 3), torch.float32),
        ((7, 11), (), torch.float32),
        ((7, 11), (3, 3), torch.uint8),
        ((2, 7, 11), (2, 3, 3), torch.float32),
        ((7,), (3,), torch.float32),
    ],
)
def test_other_scales_do_not_fit(
    shape: tuple[int, ...], scales: tuple[int, ...], dtype: torch.dtype
) -> None:
    assert not BlockScales(3, 4, torch.float32).fit(shape, scales, dtype)
