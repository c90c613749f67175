"""The allocation ``matrix``: a sparsity for each matrix of a block, from error curves."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from worker.pruning.methods.allocation import MatrixScores
from worker.pruning.methods.patterns import BlockPattern, Unstructured

_STEPS = 16  # of a curve, on either side of the requested sparsity


@dataclass(frozen=True)
class MatrixAllocation:
    """Gives each matrix of a block its own sparsity, so that the sum of their errors is least.

    The error of a matrix is given by its `ErrorCurve`. The sum is minimised for a given number of
    zeros in the block: this is Shoham and Gersho's bit allocation (doi:10.1109/29.90373), applied
    to weights.

    Attributes:
        spread: how far a matrix's sparsity may lie from the requested one.
    """

    name: ClassVar[str] = "matrix"
    spread: float = 0.15

    def basis(self, pattern: Unstructured) -> list[Any]:
        """Return the name, the spread and the pattern."""
        return [self.name, self.spread, asdict(pattern)]

    def measure(self, pattern: Unstructured, matrices: Sequence[MatrixScores]) -> dict[str, float]:
        """Return the sparsity of each of the block's matrices, by matrix name."""
        dropped = least_error([error_curve(matrix, pattern, self.spread) for matrix in matrices])
        return {
            matrix.matrix: count / matrix.score.numel()
            for matrix, count in zip(matrices, dropped, strict=True)
        }

    def patterns(
        self, pattern: Unstructured, measured: Sequence[Mapping[str, float] | None]
    ) -> tuple[BlockPattern, ...]:
        """Return each block's pattern; matrices that no token reached get ``pattern`` itself."""
        return tuple(
            BlockPattern(
                pattern,
                {
                    matrix: replace(pattern, sparsity=share)
                    for matrix, share in (shares or {}).items()
                },
            )
            for shares in measured
        )


@dataclass(frozen=True)
class ErrorCurve:
    """The error of dropping the n weights with the smallest scores, as a function of n.

    If all rows have to drop equally many weights, those with the smallest scores of each row are
    dropped.

    The relative error of a set of weights is the sum of ``W² ‖x‖²`` over the set, divided by the
    same sum over the whole matrix, where x is the input feature that a weight multiplies. If the
    features were uncorrelated, this would be the relative squared change of the matrix's outputs.
    The error is the relative error times the number of tokens that reach the matrix.

    Attributes:
        counts: how many weights are dropped at each point of the curve, ascending.
        errors: the error that each step from one point to the next adds. The weights with the
            smallest errors are dropped first, so the curve is convex.
        requested: how many weights the requested sparsity drops.
        unit: every count is a multiple of this number, which is the number of rows if all rows have
            to drop equally many weights, else 1.
    """

    counts: tuple[int, ...]
    errors: tuple[float, ...]
    requested: int
    unit: int


def error_curve(matrix: MatrixScores, pattern: Unstructured, spread: float) -> ErrorCurve:
    """Return a matrix's curve from ``spread`` below to ``spread`` above the pattern's sparsity.

    The curve is cut off where no weight is dropped, and where each set of competing weights has one
    weight left.
    """
    errors = pattern.competing(matrix.score.clamp(min=0).square_())
    lines, length = errors.shape
    requested = round(length * pattern.sparsity)
    most = max(requested, length - 1)
    levels = (pattern.sparsity + spread * step / _STEPS for step in range(-_STEPS, _STEPS + 1))
    points = sorted({min(max(round(length * level), 0), most) for level in levels})
    scale = matrix.tokens / (float(errors.sum(dtype=torch.float64)) or 1.0)
    ordered = _sorted(errors)
    return ErrorCurve(
        counts=tuple(lines * point for point in points),
        errors=tuple(
            scale * float(ordered[:, start:end].sum(dtype=torch.float64))
            for start, end in pairwise(points)
        ),
        requested=lines * requested,
        unit=lines,
    )


def least_error(curves: Sequence[ErrorCurve]) -> list[int]:
    """Return how many weights each matrix drops, so that the sum of the errors is minimal.

    In total, as many weights are dropped as the requested sparsity requires. If all rows of a
    matrix have to drop equally many weights, the total may be lower, by less than the number of
    rows of one matrix.

    The curves are convex, so the steps with the least error per weight are taken first, whichever
    curves they belong to. Steps of equal error per weight are taken in turn from all curves.
    """
    counts = [curve.counts[0] for curve in curves]
    missing = sum(curve.requested for curve in curves) - sum(counts)
    steps = [
        (error / (end - start), step, at, end - start)
        for at, curve in enumerate(curves)
        for step, (error, (start, end)) in enumerate(
            zip(curve.errors, pairwise(curve.counts), strict=True)
        )
    ]
    for _, _, at, width in sorted(steps):
        unit = curves[at].unit
        taken = min(width, missing // unit * unit)
        counts[at] += taken
        missing -= taken
    return counts


def _sorted(errors: Tensor) -> Tensor:
    """Return ``errors [lines, n]`` fp32 with each row in ascending order; may overwrite ``errors``.

    On a CPU numpy's vectorised sort takes a fraction of the time of torch's.
    """
    if errors.is_cuda:
        return errors.sort(dim=1).values
    errors = errors.contiguous()
    errors.numpy().sort(axis=1)
    return errors
