"""The binarisation of a sweep: weights are binarised in place of a score and a solver."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from worker.pruning.base.errors import BinarizationError, SolverFailedError
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.binarization.binarize import (
    MEMORY,
    BinarizedMatrix,
    binarize,
    binarizing_cost,
)
from worker.pruning.binarization.bits import count_bits
from worker.pruning.binarization.kept_of_blocks import kept_of_blocks
from worker.pruning.binarization.settings import GROUP, Binarization
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.methods.few_tokens import FEWEST_TO_REPAIR, reached
from worker.pruning.methods.patterns import BlockPattern, NofM, Pattern
from worker.pruning.methods.target import Target
from worker.pruning.stats.gram import Gram, GramMoments


@dataclass(frozen=True)
class Binarizing:
    """The binarisation of a sweep, which takes the place of a score, a solver and an allocation.

    Attributes:
        settings: how weights are binarised.
        memory: the memory that a matrix takes.
    """

    settings: Binarization
    memory: ClassVar = MEMORY

    @property
    def pattern(self) -> NofM:
        """The pattern of a block that keeps the mean number."""
        return self.settings.pattern

    @property
    def measures_blocks(self) -> bool:
        """Whether blocks may keep different numbers of weights, by how much they matter."""
        return not self.settings.is_uniform

    def check_rows(self, name: str, inputs: int) -> None:
        """Check that the rows of a layer, of ``inputs`` weights, split into groups.

        Raises:
            BinarizationError: they do not.
        """
        if inputs % GROUP:
            raise BinarizationError(
                f"{name} has rows of {inputs} weights, which do not split into groups of {GROUP}",
                "skip it, or leave binarize out",
            )

    def patterns(self, measured: Sequence[Any]) -> tuple[BlockPattern, ...]:
        """Return the pattern of each block, given how much each changes the hidden state."""
        if self.settings.is_uniform:
            return (BlockPattern(self.pattern),) * len(measured)
        kept = kept_of_blocks(self.settings, measured)
        return tuple(BlockPattern(NofM(count, GROUP)) for count in kept)

    def strategy(self, pattern: Pattern) -> "BinarizedMask":
        """Return the strategy that prunes a matrix to this pattern and binarises it."""
        if not isinstance(pattern, NofM):
            raise TypeError(f"{pattern!r} is not N:M")
        return BinarizedMask(self.settings, pattern)

    def cost(self, layer: LayerShape) -> Cost:
        """Return the cost of a layer, without its Gram matrix."""
        return binarizing_cost(layer, self.pattern)


@dataclass(frozen=True)
class BinarizedMask:
    """Prune a matrix to ``selection`` and binarise it.

    If too few tokens reach the layer, or if their Gram matrix cannot be factorized, the inputs are
    taken to be uncorrelated and equally large, and the result gives the reason.
    """

    settings: Binarization
    selection: NofM
    fallback: ClassVar[None] = None
    takes_any_moments: ClassVar[bool] = True

    def collector(self, dense_block: Callable[[], DenseBlock]) -> InputCollector[GramMoments]:
        """Return a collector of the inputs' Gram matrices."""
        return InputCollector(GramMoments)

    def prune(self, target: Target, moments: GramMoments) -> dict[str, Any]:
        """Prune and binarise the target in place; return the bits of its weights.

        Raises:
            NotFiniteError: the layer's inputs contain NaN or infinity.
        """
        matrix, fallback = self._binarized(target, moments)
        target.replace(matrix.values)
        scale_bits = 8 * target.parameter.itemsize
        kept, settings = self.selection.n, self.settings
        bits = count_bits(matrix.keep, matrix.salient, kept, settings, scale_bits)
        return {"binarized": bits, "fallback": fallback}

    def damping(self, moments: GramMoments) -> float | None:
        """Return the damping that the Gram matrix needed, as a share of its mean diagonal."""
        return moments.damping

    def _binarized(
        self, target: Target, moments: GramMoments
    ) -> tuple[BinarizedMatrix, str | None]:
        """Return the binarised weight, and the reason if it was not binarised as requested."""
        layer, weight = target.layer, target.weight
        fewest = FEWEST_TO_REPAIR * layer.inputs if layer.is_routed else 1
        reason = reached(moments.tokens, fewest)
        if moments.tokens >= fewest:
            try:
                return binarize(weight, moments.gram(), self.selection, self.settings), None
            except SolverFailedError as error:
                reason = str(error)
        uncorrelated = Gram(torch.eye(layer.inputs, device=weight.device))
        matrix = binarize(weight, uncorrelated, self.selection, self.settings)
        return matrix, f"binarised without its inputs: {reason}"
