"""The hidden states that move through the model side by side."""

from dataclasses import dataclass

import torch

from worker.pruning.activations import Activations
from worker.pruning.ranks import Ranks


@dataclass(frozen=True)
class Streams:
    """The hidden states that move through the model.

    Attributes:
        calibration: of the calibration windows, in the model as pruned so far.
        aim: of the same windows in the dense model; empty where the recipe corrects nothing.
        dense: of the evaluation windows in the dense model.
        pruned: of the evaluation windows in the model as pruned so far.
    """

    calibration: Activations
    aim: Activations
    dense: Activations
    pruned: Activations

    def named(self) -> dict[str, Activations]:
        """Return the streams by name."""
        return dict(vars(self))

    def output_error(self, ranks: Ranks) -> float | None:
        """Return how far ``pruned`` is from ``dense``, relative to that; None without windows.

        All ranks' windows are taken together.
        """
        sums = torch.zeros(2, dtype=torch.float64)
        for one, other in zip(self.pruned, self.dense, strict=True):
            sums[0] += (one.float() - other.float()).square().sum()
            sums[1] += other.float().square().sum()
        apart, size = ranks.total(sums).tolist()
        return float((apart / size) ** 0.5) if size else None
