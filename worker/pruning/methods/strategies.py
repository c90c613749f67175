"""Strategies: how a matrix is pruned, and which moments of its inputs this takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.calibration.collectors import Collector, InputCollector, M
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.methods.correction import corrected_weight
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import WANDA
from worker.pruning.methods.scorers import Scorer
from worker.pruning.methods.selection import Selection
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.methods.swaps import Swaps
from worker.pruning.methods.target import Target
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.stats.input_moments import InputMoments, Moments, VarianceMoments


class Strategy(Protocol[M]):
    """A way to prune one matrix, with moments of one kind."""

    @property
    def selection(self) -> Selection:
        """Which weights compete, and how many of them are kept."""

    @property
    def fallback(self) -> "ScoreMask | None":
        """The strategy for layers that cannot be repaired; None if this strategy never repairs."""

    @property
    def takes_any_moments(self) -> bool:
        """Whether it prunes a layer as it is to, however few tokens reach the layer."""

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[M]:
        """Return a collector of the moments that this strategy takes.

        Args:
            dense_block: makes the dense copy of the block, for strategies that take moments of both
                models.
        """

    def prune(self, target: Target, moments: M) -> Mapping[str, Any] | None:
        """Prune the target in place; return further fields of its result, by name.

        Raises:
            NotFiniteError: the weight, or its inputs, hold NaN or infinity.
            SolverFailedError: the moments do not allow the repair; the target is unchanged.
        """

    def damping(self, moments: M) -> float | None:
        """Return the damping that the Gram matrix needed, as a share of its mean diagonal.

        Return None if `Gram.inverse_cholesky`, which finds the damping, was not called.
        """


@dataclass(frozen=True)
class KeepZeros:
    """Keep the matrix as it is, with the zeros that it already has."""

    selection: ClassVar[Selection] = Unstructured(0.0)
    fallback: ClassVar[None] = None
    takes_any_moments: ClassVar[bool] = True

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[Moments]:
        """Return a collector of the inputs' mean squares, which also counts the tokens."""
        return InputCollector[Moments](InputMoments)

    def prune(self, target: Target, moments: Moments) -> None:
        """Leave the target as it is."""

    def damping(self, moments: Moments) -> None:
        """Return None: there is no repair."""


@dataclass(frozen=True)
class ScoreMask:
    """Zero the weights with the smallest scores."""

    scorer: Scorer
    selection: Selection
    fallback: ClassVar[None] = None
    takes_any_moments: ClassVar[bool] = False

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[Moments]:
        """Return a collector of the inputs' mean squares."""
        return InputCollector[Moments](InputMoments)

    def prune(self, target: Target, moments: Moments) -> None:
        """Prune the target in place."""
        score = _score(self.scorer, target, moments)
        target.zero(target.selection(self.selection).keep(score))

    def damping(self, moments: Moments) -> None:
        """Return None: a mask by score uses no Gram matrix."""


@dataclass(frozen=True)
class SwappedMask:
    """Zero weights by score, and improve the mask by swaps in the layers that ``swaps`` names."""

    scorer: Scorer
    selection: Selection
    swaps: Swaps
    fallback: ClassVar[None] = None
    takes_any_moments: ClassVar[bool] = False

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[VarianceMoments]:
        """Return a collector of the inputs' means and variances."""
        return InputCollector(VarianceMoments)

    def prune(self, target: Target, moments: VarianceMoments) -> None:
        """Prune the target in place."""
        score, selection = _score(self.scorer, target, moments), target.selection(self.selection)
        if self.swaps.apply_to(target.layer.name):
            keep = self.swaps.keep(target.weight, moments, selection, score)
        else:
            keep = selection.keep(score)
        target.zero(keep)

    def damping(self, moments: VarianceMoments) -> None:
        """Return None: swaps use no Gram matrix."""


@dataclass(frozen=True)
class Repair:
    """Prune with a solver, on a mask chosen by score or by the solver itself.

    Attributes:
        solver: computes the weights.
        scorer: decides the mask; None leaves it to the solver.
        selection: which weights compete, and how many of them are kept.
        damping_share: how strongly the solver pulls the kept weights to their dense values.
    """

    solver: Solver
    scorer: Scorer | None
    selection: Selection
    damping_share: float
    takes_any_moments: ClassVar[bool] = False

    @property
    def fallback(self) -> ScoreMask:
        """The strategy that prunes by score alone: by Wanda's score if there is no scorer."""
        return ScoreMask(self.scorer or WANDA, self.selection)

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[GramMoments]:
        """Return a collector of the inputs' Gram matrices."""
        return InputCollector(GramMoments)

    def prune(self, target: Target, moments: GramMoments) -> None:
        """Prune the target in place."""
        self.prune_towards(target, moments, lambda weight, _: weight)

    def prune_towards(
        self, target: Target, moments: GramMoments, aim: Callable[[Tensor, Gram], Tensor]
    ) -> None:
        """Prune the target so that its outputs are close to those of the weight from ``aim``.

        Args:
            target: what to prune.
            moments: moments of the target's inputs.
            aim: returns the dense weight to approximate, given the target's weight and the Gram
                matrix: ``(weight [out, in] fp32, gram) -> [out, in]`` fp32.
        """
        weight = target.weight.float()
        score = _score(self.scorer, target, moments) if self.scorer else None
        gram = moments.gram()
        if score is not None:
            # The solver zeros the weights of dead inputs, so they have to count first.
            score.masked_fill_(gram.dead, -1.0)
        weight = aim(weight, gram)
        selection, damping = target.selection(self.selection), self.damping_share
        target.replace(self.solver.solve(weight, gram, selection, score, damping))

    def damping(self, moments: GramMoments) -> float | None:
        """Return the damping that the Gram matrix needed, as a share of its mean diagonal."""
        return moments.damping


@dataclass(frozen=True)
class CorrectedRepair:
    """Prune by a solver that also makes up for the losses of earlier layers.

    Attributes:
        repair: the repair of one layer.
        share: the ``share`` of `corrected_weight`, from 0 to 1.
    """

    repair: Repair
    share: float
    takes_any_moments: ClassVar[bool] = False

    @property
    def selection(self) -> Selection:
        """Which weights compete, and how many of them are kept."""
        return self.repair.selection

    @property
    def fallback(self) -> ScoreMask:
        """The strategy that prunes by score alone."""
        return self.repair.fallback

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[CrossMoments]:
        """Return the dense copy of the block, which collects the inputs of both models."""
        return dense_block()

    def prune(self, target: Target, moments: CrossMoments) -> None:
        """Prune the target in place.

        There is no correction if the dense model's inputs are missing for some tokens.
        """
        damping = self.repair.damping_share

        def corrected(weight: Tensor, gram: Gram) -> Tensor:
            cross = moments.cross()
            if cross is None:
                return weight
            return corrected_weight(weight, gram, cross, self.share, damping, target.dense)

        self.repair.prune_towards(target, moments, corrected)

    def damping(self, moments: CrossMoments) -> float | None:
        """Return the damping that the Gram matrix needed, as a share of its mean diagonal."""
        return self.repair.damping(moments)


def _score(scorer: Scorer, target: Target, moments: Moments) -> Tensor:
    score = scorer.score(target.weight, moments, lambda: target.gradient(moments.tokens))
    if not bool(score.sum().isfinite()):
        raise NotFiniteError(target.name)
    return score
