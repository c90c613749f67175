"""Matrices of small integers as they are stored: packed into 32-bit words, with scales.

The layout is `pack-quantized` of compressed-tensors, which transformers and vLLM read.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.base.errors import ShapeError

PACKED = "_packed"
"""The end of the name of a matrix's packed integers."""
_WORD_BITS = 32


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix of integers, in which neighbours of a row share a scale.

    Attributes:
        integers: ``[out, in]`` int8, from -2^(bits - 1) to 2^(bits - 1) - 1.
        scales: ``[out, groups]``, positive, in the dtype of the weights.
        bits: bits of each integer; a divisor of 32.
    """

    integers: Tensor
    scales: Tensor
    bits: int

    def to(self, device: torch.device) -> "QuantizedMatrix":
        """Return the matrix on this device."""
        return QuantizedMatrix(self.integers.to(device), self.scales.to(device), self.bits)

    def weights(self) -> Tensor:
        """Return the weights that the integers stand for, ``[out, in]`` in the scales' dtype."""
        return dequantized(self.integers, self.scales)

    def stored(self, name: str) -> dict[str, Tensor]:
        """Return the tensors that are stored for the weight of this name."""
        parts = (pack(self.integers, self.bits), self.scales, torch.tensor(self.integers.shape))
        return dict(zip(part_names(name), parts, strict=True))


def part_names(name: str) -> tuple[str, str, str]:
    """Return the names of the packed integers, the scales and the shape of a weight."""
    return name + PACKED, f"{name}_scale", f"{name}_shape"


def dequantized(integers: Tensor, scales: Tensor) -> Tensor:
    """Return each integer times the scale of its group.

    Args:
        integers: ``[out, in]`` int8.
        scales: ``[out, groups]``, any float dtype.

    Returns:
        ``[out, in]`` in the scales' dtype; zeros are +0.0.
    """
    groups = integers.to(scales.dtype).reshape(*scales.shape, -1)  # [out, groups, n]
    return (groups * scales.unsqueeze(2)).flatten(1)


def pack(integers: Tensor, bits: int) -> Tensor:
    """Pack integers into words; the first of each word's integers is in its lowest bits.

    An integer is stored without its sign, as the sum of itself and 2^(bits - 1).

    Args:
        integers: ``[out, in]`` int8, of ``bits`` bits each.
        bits: a divisor of 32.

    Returns:
        ``[out, in * bits / 32]`` int32.

    Raises:
        ShapeError: the rows do not fill whole words.
    """
    rows, width = integers.shape
    count = _WORD_BITS // bits
    if width % count:
        raise ShapeError(f"rows of {width} integers do not fill words of {count}")
    words = torch.zeros(rows, width // count, dtype=torch.int32, device=integers.device)
    for place in range(count):
        unsigned = integers[:, place::count].int() + (1 << bits - 1)
        words |= unsigned << place * bits
    return words


def unpack(words: Tensor, width: int) -> Tensor:
    """Return the integers ``[out, width]`` int8 that `pack` has packed into ``[out, n]`` words."""
    rows, columns = words.shape
    bits = columns * _WORD_BITS // width
    count, lowest = _WORD_BITS // bits, (1 << bits) - 1
    integers = torch.empty(rows, width, dtype=torch.int8, device=words.device)
    for place in range(count):
        integers[:, place::count] = (words >> place * bits & lowest) - (1 << bits - 1)
    return integers
