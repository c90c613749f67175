import pytest
import torch
from torch import Tensor

from worker.pruning.base.masking import apply_mask_, count_zeros, masked

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SPECIAL = [1.5, -2.0, 0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-7]


def _weight(dtype: torch.dtype) -> Tensor:
    return torch.tensor([SPECIAL, SPECIAL], dtype=dtype)


def _keep() -> Tensor:
    return torch.tensor([[True] * len(SPECIAL), [False] * len(SPECIAL)])


def _bits(weight: Tensor) -> Tensor:
    return weight.contiguous().view(torch.uint8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pruned_weights_become_plus_zero_and_the_others_keep_their_bits(dtype: torch.dtype) -> None:
    weight = _weight(dtype)
    apply_mask_(weight, _keep())
    assert torch.equal(_bits(weight[0]), _bits(_weight(dtype)[0]))
    assert not _bits(weight[1]).any()


def test_a_mask_is_applied_to_a_transposed_view_in_place() -> None:
    stored = torch.ones(2, 3)
    keep = torch.tensor([[True, False], [False, False], [True, True]])
    apply_mask_(stored.T, keep)
    assert torch.equal(stored, keep.T.float())


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_zeros_are_counted_of_either_sign(dtype: torch.dtype) -> None:
    assert count_zeros(_weight(dtype)) == int((_weight(dtype) == 0).sum()) >= 4


def test_a_masked_copy_is_contiguous_without_negative_zeros_and_its_source_is_unchanged() -> None:
    source = torch.tensor([[-1.0, -0.0], [2.0, -3.0]])
    copy = masked(source.T, torch.tensor([[True, False], [True, True]]))
    assert copy.is_contiguous()
    assert copy.tolist() == [[-1.0, 0.0], [0.0, -3.0]]
    assert not (copy[copy == 0]).signbit().any()
    assert source.tolist() == [[-1.0, -0.0], [2.0, -3.0]]
