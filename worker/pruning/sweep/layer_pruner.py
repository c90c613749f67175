"""The interface of what prunes the layers of one block."""

from collections.abc import Callable
from typing import Protocol

from worker.pruning.calibration.collectors import Collector, M
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.sweep.results import LayerResult, RemovedUnits


class LayerPruner(Protocol[M]):
    """Prunes the layers of one block in place, with moments of one kind.

    Attributes:
        results: one result for each pruned matrix.
        removed: the units that were removed.
    """

    results: list[LayerResult]
    removed: list[RemovedUnits]

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[M]:
        """Return a collector of the moments that the pruning of a layer takes.

        Args:
            dense_block: makes the dense copy of the block, for moments of both models.
        """

    def prune_layer(self, layer: LinearLayer, moments: M) -> None:
        """Prune one layer, given the moments of its inputs."""

    def sizes(self) -> dict[str, int]:
        """Return how many entries each parameter of the block has, without removed units."""
