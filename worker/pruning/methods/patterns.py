"""Patterns: the constraints on a mask. A mask, ``keep``, is True where a weight is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import torch
from torch import Tensor

from worker.pruning.base.errors import PatternError, ShapeError
from worker.pruning.base.quickselect import kth_smallest_of_rows

Scope = Literal["matrix", "row"]


@dataclass(frozen=True)
class Unstructured:
    """Drop exactly ``round(n * sparsity)`` weights of each set of n weights that compete.

    Attributes:
        sparsity: share to drop, in ``[0, 1)``.
        scope: whether the weights of a whole matrix compete, or those of each row.
    """

    sparsity: float
    scope: Scope = "matrix"

    def keep(self, score: Tensor) -> Tensor:
        """Return a bool mask shaped like ``score``, True where the weight is kept.

        Of equal scores those with the smaller index are dropped first, so that exactly the
        requested number is dropped, and the mask is the same on every run.
        """
        scores = self.competing(score)
        count = round(scores.shape[1] * self.sparsity)
        return keep_largest(scores, scores.shape[1] - count).view_as(score)

    def keep_as_published(self, score: Tensor, *, inclusive: bool = True) -> Tensor:
        """Return the mask of the published code, which may drop a different number of weights.

        The number of dropped weights is truncated to an integer, whereas `keep` rounds it. If the
        weights of a whole matrix compete, most published code drops one weight more: it sorts the
        scores, uses the truncated number as an index that starts at 0, and drops all weights up to
        and including that index. At sparsity 0 no weight is dropped.

        Args:
            score: ``[out, in]``.
            inclusive: whether to drop that additional weight.
        """
        scores = self.competing(score)
        count = int(scores.shape[1] * self.sparsity)
        count += inclusive and self.scope == "matrix" and self.sparsity > 0
        return keep_largest(scores, scores.shape[1] - count).view_as(score)

    def competing(self, score: Tensor) -> Tensor:
        """Return the scores with one row for each set of weights that compete."""
        return score.reshape(1, -1) if self.scope == "matrix" else score


@dataclass(frozen=True)
class NofM:
    """Of every ``m`` neighbours in a row, keep the ``n`` with the highest scores, as in 2:4.

    Attributes:
        n: how many weights of a group are kept; in some published code, n is how many are dropped.
        m: how many weights a group has.

    Raises:
        PatternError: ``n`` is less than 1 or more than ``m``.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        if not 1 <= self.n <= self.m:
            raise PatternError(
                f"pattern {self.n}:{self.m} is impossible", "choose an n from 1 to m"
            )

    @property
    def sparsity(self) -> float:
        """The share of the weights that is dropped."""
        return 1 - self.n / self.m

    def check_splits(self, weight: Tensor) -> None:
        """Check that the rows of a weight ``[out, in]`` split into groups.

        Raises:
            ShapeError: the row length is not a multiple of ``m``.
        """
        if weight.shape[1] % self.m:
            raise ShapeError(
                f"rows of {weight.shape[1]} weights do not split into groups of {self.m}",
                f"skip this layer, choose an m that divides {weight.shape[1]}, or use an "
                "unstructured pattern",
            )

    def keep(self, score: Tensor) -> Tensor:
        """Return a bool mask shaped like ``score``, True where the weight is kept.

        Of equal scores those with the smaller index are dropped first, as in `Unstructured`.

        Raises:
            ShapeError: the row length is not a multiple of ``m``.
        """
        self.check_splits(score)
        places = score.reshape(-1, self.m).T.contiguous()  # [m, groups]
        return (_ranks(places) >= self.m - self.n).T.reshape(score.shape)

    def keep_as_published(self, score: Tensor, *, inclusive: bool = True) -> Tensor:
        """Return the same mask as `keep`; ``inclusive`` is ignored.

        The published code differs only for rows that do not split into groups: it drops up to
        ``m - n`` weights of the last, shorter group (at 4:8, all weights of a group of 4). The
        group then violates the pattern, so such rows are refused here, as in `keep`.

        Raises:
            ShapeError: the row length is not a multiple of ``m``.
        """
        return self.keep(score)


Pattern = Unstructured | NofM


@dataclass(frozen=True)
class BlockPattern:
    """The patterns of a block's matrices.

    Attributes:
        pattern: the pattern of every matrix that is not in ``of_matrix``.
        of_matrix: the patterns of individual matrices, by the matrix's name in the block, from
            `matrix_name`.
    """

    pattern: Pattern
    of_matrix: Mapping[str, Pattern] = field(default_factory=dict)

    def scaled(self, share: float) -> Self:
        """Return the patterns that drop ``share`` of what these drop; N:M stays as it is."""
        of_matrix = {name: _scaled(pattern, share) for name, pattern in self.of_matrix.items()}
        return type(self)(_scaled(self.pattern, share), of_matrix)


def _scaled(pattern: Pattern, share: float) -> Pattern:
    if isinstance(pattern, NofM):
        return pattern
    return replace(pattern, sparsity=pattern.sparsity * share)


def keep_largest(score: Tensor, kept: int) -> Tensor:
    """Return a bool mask ``[rows, n]`` that is True for the ``kept`` largest scores of each row.

    Of equal scores, those with the smaller indices are dropped first. The rows are not sorted: only
    the largest dropped score of each row is searched for.

    Args:
        score: ``[rows, n]`` fp32, finite.
        kept: how many scores of each row are kept.
    """
    dropped = score.shape[1] - kept
    if dropped == 0:
        return torch.ones_like(score, dtype=torch.bool)
    threshold = kth_smallest_of_rows(score, dropped)
    keep = score > threshold
    spare = kept - keep.count_nonzero(1)[:, None]  # ties that are kept: the last ones of each row
    if not bool(spare.any()):
        return keep
    tied = score == threshold
    # int32 takes half the memory of the default; more weights than it can count are rare.
    count = torch.int32 if score.shape[1] < 2**31 else torch.int64
    before = tied.sum(1, keepdim=True) - spare  # ties that are dropped: the first ones of each row
    return keep | (tied & (tied.cumsum(1, dtype=count) > before))


def _ranks(places: Tensor) -> Tensor:
    """Return for each score how many scores of its column are smaller, ``[m, groups]``.

    Of two equal scores the earlier one counts as smaller. Each pair of places is compared in all
    groups at once, which at 2:4 takes a third of the time of a sort.
    """
    ranks = torch.zeros(places.shape, dtype=torch.int16, device=places.device)
    for later in range(1, len(places)):
        wins = places[:later] <= places[later]
        ranks[later] += wins.sum(0, dtype=torch.int16)
        ranks[:later] += ~wins
    return ranks
