"""How the weights of a model are quantised."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import gcd
from typing import Literal

from worker.pruning.base.errors import QuantizationError

Scales = Literal["mse", "minmax"]
_LARGEST_GROUP, _SMALLEST_GROUP = {4: 32, 8: 128}, 8
"""The default group size is the largest power of two between these, the first by the number of
bits, that divides all rows; a row of eight integers of 4 bits fills a word."""
_SHAPE_BYTES = 16  # the stored shape: two int64


@dataclass(frozen=True)
class Scheme:
    """How each matrix of a model is quantised.

    Attributes:
        bits: bits of each weight.
        group_size: number of neighbours of a row that share a scale.
        scales: ``mse`` chooses each scale so that the squared error of the group's weights, by the
            mean squares of their inputs, is small; ``minmax`` so that the largest weight is exact.
    """

    bits: int
    group_size: int
    scales: Scales = "mse"

    def packed_bytes(self, outputs: int, inputs: int, item_bytes: int) -> int:
        """Return the bytes of a stored matrix ``[outputs, inputs]``, with its scales and shape.

        Args:
            outputs, inputs: the shape of the matrix.
            item_bytes: bytes of a scale, which has the dtype of the weights before rounding.
        """
        weights = outputs * inputs
        return weights * self.bits // 8 + weights // self.group_size * item_bytes + _SHAPE_BYTES


@dataclass(frozen=True)
class Quantization:
    """The requested quantisation of a model.

    Attributes:
        bits: bits of each weight, 4 or 8.
        group_size: number of neighbours of a row that share a scale, a multiple of eight; None for
            32 at 4 bits and 128 at 8 bits, or the largest smaller power of two that divides all
            rows.
        scales: how scales are chosen, see `Scheme`.
        skip: globs of layers that are pruned, but not quantised.
    """

    bits: int
    group_size: int | None = None
    scales: Scales = "mse"
    skip: tuple[str, ...] = ()

    def rounds(self, name: str) -> bool:
        """Return whether the layer of this name is quantised, if it is pruned."""
        return not any(fnmatchcase(name, glob) for glob in self.skip)

    def scheme(self, widths: Iterable[tuple[str, int]]) -> Scheme:
        """Return the scheme for matrices of these names and numbers of inputs.

        Raises:
            QuantizationError: the rows of a matrix do not split into groups of one size.
        """
        rows = list(widths)
        common = gcd(*(width for _, width in rows))
        size = self.group_size or _largest_power(common, _LARGEST_GROUP[self.bits])
        misfits = [(name, width) for name, width in rows if width % size]
        if misfits:
            name, width = misfits[0]
            without = _without([name for name, _ in misfits])
            raise QuantizationError(
                f"{name} has rows of {width} weights, which do not split into groups of {size}",
                _remedy(without, size, common),
            )
        return Scheme(self.bits, size, self.scales)


def _largest_power(common: int, largest: int) -> int:
    """Return the default group size; `_SMALLEST_GROUP` if no power of two divides all rows."""
    size = largest
    while size > _SMALLEST_GROUP and common % size:
        size //= 2
    return size


def _remedy(without: str | None, size: int, common: int) -> str:
    """Return what to change: the nearest size that fits all rows, or the layers to skip."""
    fitting = [
        multiple
        for multiple in range(_SMALLEST_GROUP, common + 1, _SMALLEST_GROUP)
        if common % multiple == 0
    ]
    if fitting:
        nearest = min(fitting, key=lambda multiple: (abs(multiple - size), multiple))
        return " or ".join(filter(None, (f"set the group_size of quantize to {nearest}", without)))
    return " or ".join(
        filter(None, (without, "leave quantize out, as no group size fits all rows"))
    )


def _without(names: list[str]) -> str | None:
    """Return the proposal to skip the layers; None if it would take several globs."""
    globs = {f"*.{name.rpartition('.')[2]}" for name in names}
    return f"add {globs.pop()!r} to the skip of quantize" if len(globs) == 1 else None
