"""Scorers: how weights are scored, which of them compete, and which statistics this takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from worker.pruning.methods.patterns import Scope
from worker.pruning.stats.input_moments import Moments


class Scorer(Protocol):
    """A way to score a linear layer's weights; those with the smallest scores are pruned first.

    Attributes:
        takes_gradients: whether the dense model's gradients have to be measured first.
    """

    takes_gradients: ClassVar[bool]

    @property
    def name(self) -> str:
        """The name that users write in a job."""

    @property
    def scope(self) -> Scope:
        """Which weights compete in the published form of the method."""

    @property
    def bytes_per_weight(self) -> int:
        """How many bytes per weight are read and written to compute the scores."""

    def score(self, weight: Tensor, inputs: Moments, gradient: Callable[[], Tensor]) -> Tensor:
        """Return a score for each weight, from the statistics that this scorer takes.

        Args:
            weight: ``[out, in]``, any float dtype.
            inputs: moments of the ``in`` input features.
            gradient: returns the norms of the gradients, ``[out, in]`` fp32.

        Returns:
            ``[out, in]`` fp32.
        """


@dataclass(frozen=True)
class WeightScorer:
    """A scorer that takes the weights alone."""

    takes_gradients: ClassVar[bool] = False
    name: str
    function: Callable[[Tensor], Tensor]
    scope: Scope
    bytes_per_weight: int

    def score(self, weight: Tensor, inputs: Moments, gradient: Callable[[], Tensor]) -> Tensor:
        """Return the score of the weights, ``[out, in]`` fp32."""
        return self.function(weight)


@dataclass(frozen=True)
class InputScorer:
    """A scorer that takes the weights and the mean squares of the inputs, ``[in]`` fp32."""

    takes_gradients: ClassVar[bool] = False
    name: str
    function: Callable[[Tensor, Tensor], Tensor]
    scope: Scope
    bytes_per_weight: int

    def score(self, weight: Tensor, inputs: Moments, gradient: Callable[[], Tensor]) -> Tensor:
        """Return the score of the weights for these inputs, ``[out, in]`` fp32."""
        return self.function(weight, inputs.sq_mean())


@dataclass(frozen=True)
class GradientScorer:
    """A scorer that takes the weights, the inputs' mean squares and the gradients' norms."""

    takes_gradients: ClassVar[bool] = True
    name: str
    function: Callable[[Tensor, Tensor, Tensor], Tensor]
    scope: Scope
    bytes_per_weight: int

    def score(self, weight: Tensor, inputs: Moments, gradient: Callable[[], Tensor]) -> Tensor:
        """Return the score of the weights for these statistics, ``[out, in]`` fp32."""
        return self.function(weight, inputs.sq_mean(), gradient())
