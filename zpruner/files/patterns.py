"""N:M patterns, and the groups of weights that violate them."""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from zpruner.files.elements import Flags
from zpruner.files.errors import FilesError


@dataclass(frozen=True, order=True)
class GroupPattern:
    """At most ``n`` of each ``m`` neighbours along the inputs of a matrix are not zero."""

    n: int
    m: int

    @classmethod
    def parse(cls, text: str) -> "GroupPattern":
        """Read a pattern such as ``2:4``.

        Raises:
            FilesError: the text is no pattern.
        """
        match = re.fullmatch(r"([1-9][0-9]{0,4}):([1-9][0-9]{0,4})", text)
        if match is None or int(match[1]) > int(match[2]):
            raise FilesError(f"{text} is no pattern; name one such as 2:4, with 1 ≤ N ≤ M")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"


STANDARD = (GroupPattern(1, 2), GroupPattern(2, 4), GroupPattern(4, 8))
"""The patterns that hardware and papers use."""


def violations(kept: Flags, pattern: GroupPattern) -> int:
    """Count the groups with more than N kept weights.

    Args:
        kept: ``[weights]``, whole groups one after the other.
    """
    if 8 % pattern.m == 0:  # whole groups in each byte: one look-up for eight weights
        return int(_violations_by_byte(pattern)[np.packbits(kept)].sum(dtype=np.int64))
    counts = kept.reshape(-1, pattern.m).sum(axis=1, dtype=np.uint32)
    return int(np.count_nonzero(counts > pattern.n))


@cache
def _violations_by_byte(pattern: GroupPattern) -> npt.NDArray[np.uint8]:
    """Return how many groups violate the pattern, for each value of a byte: ``[256]``."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # [256, 8]
    counts = bits.reshape(256, -1, pattern.m).sum(axis=2)
    totals: npt.NDArray[np.uint8] = (counts > pattern.n).sum(axis=1).astype(np.uint8)
    return totals
