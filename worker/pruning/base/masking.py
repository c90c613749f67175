"""Applying masks to weights, and counting zeros.

The floats are handled as integers with the same bits. If a random half of the weights is zero, this
is 20 to 100 times as fast on a CPU as torch's functions for floats.
"""

import torch
from torch import Tensor

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def apply_mask_(weight: Tensor, keep: Tensor) -> None:
    """Set weights to +0.0 in place where ``keep`` is False; leave the others unchanged.

    The bits are multiplied as integers by 0 or 1. Multiplying the floats by 0 would turn negative
    weights into -0.0, and infinite ones into NaN.

    Args:
        weight: any shape and float dtype; modified.
        keep: bool, of the same shape.
    """
    weight.view(_INTEGERS[weight.itemsize]).mul_(keep)


def count_zeros(weight: Tensor) -> int:
    """Return the number of zeros in a float tensor; -0.0 counts."""
    bits = weight.abs().view(_INTEGERS[weight.itemsize])
    return weight.numel() - int(bits.count_nonzero())


def masked(weight: Tensor, keep: Tensor) -> Tensor:
    """Return a contiguous copy of ``weight``, +0.0 where ``keep`` is False or the weight is -0.0.

    Args:
        weight: any shape and float dtype.
        keep: bool, of the same shape.
    """
    copy = weight.clone(memory_format=torch.contiguous_format)
    apply_mask_(copy, keep)
    return copy.add_(0.0)  # -0.0 + 0.0 is +0.0


def mask_as_float(mask: Tensor) -> Tensor:
    """Return a bool mask as fp32: 1 where it is True, else 0.

    Products with it may contain -0.0, which does not matter inside a solver.
    """
    return mask.view(torch.uint8).float()  # converting bool directly is ten times slower
