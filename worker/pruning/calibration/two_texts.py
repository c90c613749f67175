"""Calibration on two texts, whose inputs are also measured apart."""

from collections.abc import Collection
from typing import Any, Self

from torch import Tensor

from worker.pruning.calibration.collectors import Collector
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.input_moments import InputMoments, Moments


class TwoTextMoments:
    """The moments of a layer's inputs on two texts together, and on each of them.

    Attributes:
        both: the moments on both texts.
        first, second: the mean squares on each text.
    """

    def __init__(self, both: Moments) -> None:
        self.both = both
        self.first, self.second = InputMoments(), InputMoments()

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks, as `Moments.all_reduced` does."""
        total = type(self)(self.both.all_reduced(ranks, layer))
        total.first = self.first.all_reduced(ranks, layer)
        total.second = self.second.all_reduced(ranks, layer)
        return total


class TwoTextCollector:
    """A collector of the moments that another one gathers, and of those on each of two texts.

    Args:
        collector: gathers the moments on both texts.
        second: the indices of this rank's batches of the second text.
    """

    def __init__(self, collector: Collector[Any], second: Collection[int]) -> None:
        self._collector, self._second = collector, second

    def new_moments(self) -> TwoTextMoments:
        """Return empty moments."""
        return TwoTextMoments(self._collector.new_moments())

    def add(self, moments: TwoTextMoments, layer: int, batch: int, inputs: Tensor) -> None:
        """Add the inputs ``[..., in]`` of a layer in one batch to the layer's moments."""
        self._collector.add(moments.both, layer, batch, inputs)
        own = moments.second if batch in self._second else moments.first
        own.add(inputs)

    def finish(self) -> None:
        """End the calibration of this block."""
        self._collector.finish()
