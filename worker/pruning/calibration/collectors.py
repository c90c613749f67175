"""Collectors: they gather the moments of the layers' inputs during calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import Tensor

from worker.pruning.stats.input_moments import Moments

M = TypeVar("M", bound=Moments)


class Collector(Protocol[M]):
    """Gathers moments of one kind."""

    def new_moments(self) -> M:
        """Return empty moments."""

    def add(self, moments: M, layer: int, batch: int, inputs: Tensor) -> None:
        """Add the inputs ``[..., in]`` of a layer in one batch to the layer's moments.

        Args:
            moments: the moments of the layer.
            layer: index of the layer.
            batch: index of the batch; the calls for one batch come in the order in which its
                forward reaches the layers.
            inputs: the inputs of the layer.
        """

    def finish(self) -> None:
        """End the calibration of this block."""


@dataclass(frozen=True)
class InputCollector(Generic[M]):
    """Gathers the moments of the given inputs alone, without the dense copy of the block.

    Attributes:
        new_moments: returns empty moments.
    """

    new_moments: Callable[[], M]

    def add(self, moments: M, layer: int, batch: int, inputs: Tensor) -> None:
        """Add the inputs ``[..., in]`` to the moments."""
        moments.add(inputs)

    def finish(self) -> None:
        """Do nothing: all inputs have already been added."""
