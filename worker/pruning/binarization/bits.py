"""How many bits the binarised weights of a matrix take, counted part by part."""

from dataclasses import dataclass
from math import comb, log2

from torch import Tensor

from worker.pruning.binarization.settings import GROUP, Binarization

_PLAIN, _SALIENT = 2, 3  # values for each row of a group: μ and α, and β for salient columns


@dataclass(frozen=True)
class BitCounts:
    """The bits of one binarised matrix.

    Masks and salient columns are counted as the logarithm of the number of possibilities, which is
    the least that any encoding takes.

    Attributes:
        kept_of_eight: how many of each eight neighbours are kept.
        mask_bits: which weights are kept.
        sign_bits: the sign of each kept weight.
        second_sign_bits: the second sign of each kept weight in a salient column.
        scale_bits: μ, α and β of each row and group, in the dtype of the weights.
        index_bits: which columns of each group are salient.
    """

    kept_of_eight: int
    mask_bits: float
    sign_bits: int
    second_sign_bits: int
    scale_bits: int
    index_bits: float

    @property
    def total(self) -> float:
        """All bits of the matrix."""
        signs = self.sign_bits + self.second_sign_bits
        return self.mask_bits + signs + self.scale_bits + self.index_bits


def count_bits(
    keep: Tensor, salient: Tensor, kept: int, settings: Binarization, scale_bits: int
) -> BitCounts:
    """Count the bits of a binarised matrix.

    Args:
        keep: ``[out, in]`` bool, True where a weight is kept.
        salient: ``[in]`` bool, True for the columns that are binarised twice.
        kept: how many of each eight neighbours are kept.
        settings: how wide the groups of columns are, and how many of these are salient.
        scale_bits: bits of the dtype of the weights.
    """
    rows, columns = keep.shape
    values, indices = 0, 0.0
    for start in range(0, columns, settings.group_size):
        width = min(settings.group_size, columns - start)
        twice = settings.salient_columns(width)
        values += _PLAIN + _SALIENT * (twice > 0)
        indices += log2(comb(width, twice))
    return BitCounts(
        kept_of_eight=kept,
        mask_bits=keep.numel() // GROUP * log2(comb(GROUP, kept)),
        sign_bits=int(keep.count_nonzero()),
        second_sign_bits=int(keep[:, salient].count_nonzero()),
        scale_bits=rows * values * scale_bits,
        index_bits=indices,
    )
