"""Allocations: how the sparsity of a model is spread over its blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from worker.pruning.base.errors import AllocationError
from worker.pruning.base.quickselect import kth_smallest_of_rows
from worker.pruning.methods.patterns import BlockPattern, Unstructured


@dataclass(frozen=True)
class MatrixScores:
    """Wanda's scores of a matrix, or of a part of a fused matrix, for the dense model's inputs.

    Attributes:
        matrix: name of the matrix in the block, from `matrix_name`.
        score: ``[out, in]`` fp32; negative where the weight is zero.
        tokens: number of calibration tokens that reached the matrix, at least one.
    """

    matrix: str
    score: Tensor
    tokens: int


class MeasuredAllocation(Protocol):
    """An allocation that depends on a measurement of each block of the dense model."""

    name: ClassVar[str]

    @property
    def spread(self) -> float:
        """How widely the sparsities may vary; each allocation defines the exact meaning."""

    def basis(self, pattern: Unstructured) -> Any:
        """Return what `measure` depends on apart from the matrices, as JSON-compatible values."""

    def measure(self, pattern: Unstructured, matrices: Sequence[MatrixScores]) -> Any:
        """Return a block's measurement, which `patterns` takes, as a JSON-compatible value.

        Args:
            pattern: the pattern of the whole model.
            matrices: the scores of the block's matrices, without the matrices that no token
                reached; not empty.
        """

    def patterns(self, pattern: Unstructured, measured: Sequence[Any]) -> tuple[BlockPattern, ...]:
        """Return each block's pattern.

        Args:
            pattern: the pattern of the whole model.
            measured: the result of `measure` for each block; None for a block that was not
                measured.

        Raises:
            AllocationError: a block's sparsity would not be in ``[0, 1)``.
        """


@dataclass(frozen=True)
class BlockSparsities:
    """An allocation whose sparsities the job gives: one for each block, in depth order."""

    per_block: tuple[float, ...]

    def sparsities(self, blocks: int) -> tuple[float, ...]:
        """Return the sparsities of a model with this number of blocks.

        Raises:
            AllocationError: the number of sparsities is not ``blocks``, or a sparsity is not in
                ``[0, 1)``.
        """
        if len(self.per_block) != blocks:
            raise AllocationError(
                f"allocation has {len(self.per_block)} sparsities for a model of {blocks} blocks",
                "give one sparsity for each block",
            )
        return _checked(self.per_block, "give a sparsity from 0 to below 1")


@dataclass(frozen=True)
class OwlAllocation:
    """OWL: the more outliers a block's scores have, the less the block is pruned; see `owl`.

    Attributes:
        spread: the paper's lambda. The sparsities of the most and the least pruned block differ by
            twice this value, unless all blocks have the same share of outliers.
    """

    name: ClassVar[str] = "owl"
    spread: float = 0.08

    def basis(self, pattern: Unstructured) -> str:
        """Return ``name``: the measurement depends on neither the sparsity nor the spread."""
        return self.name

    def measure(self, pattern: Unstructured, matrices: Sequence[MatrixScores]) -> float:
        """Return the block's outlier share."""
        return outlier_share(matrix.score for matrix in matrices)

    def patterns(
        self, pattern: Unstructured, measured: Sequence[float | None]
    ) -> tuple[BlockPattern, ...]:
        """Return the pattern of each block, chosen according to its share of outliers."""
        shares = [share for share in measured if share is not None]
        return _by_block(pattern, measured, owl(shares, pattern.sparsity, self.spread))


@dataclass(frozen=True)
class DlpAllocation:
    """DLP: the higher the median of a block's scores, the more the block is pruned; see `dlp`.

    Attributes:
        spread: the paper's alpha. The sparsities of the most and the least pruned block differ by
            twice this value, unless all blocks have the same median.
    """

    name: ClassVar[str] = "dlp"
    spread: float = 0.15

    def basis(self, pattern: Unstructured) -> str:
        """Return ``name``: the measurement depends on neither the sparsity nor the spread."""
        return self.name

    def measure(self, pattern: Unstructured, matrices: Sequence[MatrixScores]) -> float:
        """Return the median of the block's scores."""
        return median_score(matrix.score for matrix in matrices)

    def patterns(
        self, pattern: Unstructured, measured: Sequence[float | None]
    ) -> tuple[BlockPattern, ...]:
        """Return the pattern of each block, chosen according to its median score."""
        medians = [median for median in measured if median is not None]
        return _by_block(pattern, measured, dlp(medians, pattern.sparsity, self.spread))


def owl(shares: Sequence[float], sparsity: float, spread: float = 0.08) -> tuple[float, ...]:
    """Return a sparsity for each block: the more outliers a block has, the less it is pruned.

    OWL, Yin et al., arXiv:2310.05175, and its code. The importance of a block is its share of
    outliers; see `_by_importance` for the equation.

    Args:
        shares: each block's `outlier_share`, in depth order; multiplying all shares by the same
            factor changes nothing.
        sparsity: the mean of the blocks' sparsities, in ``[0, 1)``.
        spread: the paper's lambda.

    Raises:
        AllocationError: a block's sparsity would not be in ``[0, 1)``.
    """
    return _by_importance(shares, sparsity, spread)


def dlp(medians: Sequence[float], sparsity: float, spread: float = 0.15) -> tuple[float, ...]:
    """Return a sparsity for each block: the higher its median score, the more it is pruned.

    DLP, Chen et al., arXiv:2505.23807. The importance of a block is ``1 - share``, where the share
    is the block's median divided by the sum of all medians. The published code takes the mean score
    in place of the paper's median.

    Args:
        medians: each block's `median_score`, in depth order; multiplying all medians by the same
            factor changes nothing.
        sparsity: the mean of the blocks' sparsities, in ``[0, 1)``.
        spread: the paper's alpha.

    Raises:
        AllocationError: a block's sparsity would not be in ``[0, 1)``.
    """
    total = sum(medians) or 1.0
    return _by_importance([1 - median / total for median in medians], sparsity, spread)


def outlier_share(scores: Iterable[Tensor], multiple: float = 5.0) -> float:
    """Return the share of a block's Wanda scores that exceed ``multiple`` times the scores' mean.

    This is OWL's layerwise outlier distribution (arXiv:2310.05175), as a share in ``[0, 1]``; the
    published code prints it in percent. The mean and the share are taken over all layers of the
    block together.

    Args:
        scores: the scores ``[out, in]`` of each linear layer in the block, from `scores.wanda`;
            negative scores, which mark weights that are zero, count as 0.
        multiple: the threshold, in multiples of the mean; ``Hyper_m`` in the published code.
    """
    scored = [score.clamp(min=0) for score in scores]
    count = sum(score.numel() for score in scored)
    bound = multiple * sum(float(score.sum(dtype=torch.float64)) for score in scored) / count
    return sum(int((score > bound).sum()) for score in scored) / count


def median_score(scores: Iterable[Tensor]) -> float:
    """Return the median of a block's Wanda scores; the lower one if two scores are in the middle.

    This is what DLP (arXiv:2505.23807) calls the redundancy of a block. The median is taken over
    all layers of the block together.

    Args:
        scores: as in `outlier_share`.
    """
    pooled = torch.cat([score.flatten() for score in scores])
    median = kth_smallest_of_rows(pooled[None], (len(pooled) + 1) // 2)
    return max(0.0, float(median))


def _by_importance(
    importances: Sequence[float], sparsity: float, spread: float
) -> tuple[float, ...]:
    """Return a sparsity for each block: the more important a block is, the less it is pruned.

    Block l gets ``sparsity - (r_l - mean(r))`` with ``r = 2 * spread * minmax(importances)``, where
    ``minmax`` scales the importances of all blocks to ``[0, 1]``. The mean of the returned
    sparsities is ``sparsity``. If all blocks are equally important, they get the same sparsity; the
    published code would divide by zero.
    """
    low, high = min(importances, default=0.0), max(importances, default=0.0)
    width = high - low or 1.0
    raised = [2 * spread * ((importance - low) / width) for importance in importances]
    mean = sum(raised) / max(1, len(raised))
    sparsities = tuple(sparsity - (value - mean) for value in raised)
    remedy = "choose another sparsity, a smaller spread, or the allocation uniform"
    return _checked(sparsities, remedy)


def _by_block(
    pattern: Unstructured, measured: Sequence[float | None], sparsities: Iterable[float]
) -> tuple[BlockPattern, ...]:
    """Return each block's pattern.

    The measured blocks get ``sparsities``, in order. A block that was not measured gets ``pattern``
    itself.
    """
    left = iter(sparsities)
    return tuple(
        BlockPattern(pattern if value is None else replace(pattern, sparsity=next(left)))
        for value in measured
    )


def _checked(sparsities: tuple[float, ...], remedy: str) -> tuple[float, ...]:
    for index, sparsity in enumerate(sparsities):
        if not 0 <= sparsity < 1:
            raise AllocationError(
                f"allocation gives block {index} sparsity {sparsity:.4g}, outside [0, 1)",
                remedy,
            )
    return sparsities
