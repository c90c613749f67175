import pytest
import torch
from torch import Tensor

from worker.pruning.base.zeros import clear, count_zeros, zeroed

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SPECIAL = [1.5, -2.0, 0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-7]


def _weight(dtype: torch.dtype) -> Tensor:
    return torch.tensor([SPECIAL, SPECIAL], dtype=dtype)


def _keep() -> Tensor:
    return torch.tensor([[True] * len(SPECIAL), [False] * len(SPECIAL)])


def _bits(weight: Tensor) -> Tensor:
    return weight.contiguous().view(torch.uint8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_cleared_is_plus_zero_and_the_rest_keeps_its_bits(dtype: torch.dtype) -> None:
    weight = _weight(dtype)
    clear(weight, _keep())
    assert torch.equal(_bits(weight[0]), _bits(_weight(dtype)[0]))
    assert not _bits(weight[1]).any()


def test_a_transposed_view_is_cleared_in_place() -> None:
    stored = torch.ones(2, 3)
    keep = torch.tensor([[True, False], [False, False], [True, True]])
    clear(stored.T, keep)
    assert torch.equal(stored, keep.T.float())


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_of_both_signs_are_counted_and_nothing_else(dtype: torch.dtype) -> None:
    assert count_zeros(_weight(dtype)) == int((_weight(dtype) == 0).sum()) >= 4


def test_a_zeroed_copy_is_contiguous_without_negative_zeros_and_leaves_its_source() -> None:
    source = torch.tensor([[-1.0, -0.0], [2.0, -3.0]])
    copy = zeroed(source.T, torch.tensor([[True, False], [True, True]]))
    assert copy.is_contiguous()
    assert copy.tolist() == [[-1.0, 0.0], [0.0, -3.0]]
    assert not (copy[copy == 0]).signbit().any()
    assert source.tolist() == [[-1.0, -0.0], [2.0, -3.0]]
