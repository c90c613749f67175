"""The hidden states that move through the model side by side."""

from dataclasses import dataclass

from worker.pruning.model.activations import Activations


@dataclass(frozen=True)
class Streams:
    """The hidden states that move through the model.

    Attributes:
        calibration: of the calibration windows, in the model as pruned so far.
        aim: of the same windows in the dense model; empty where the recipe corrects nothing.
        dense: of the evaluation windows in the dense model, or of the first of them.
        pruned: of the evaluation windows in the model as pruned so far.
    """

    calibration: Activations
    aim: Activations
    dense: Activations
    pruned: Activations

    def named(self) -> dict[str, Activations]:
        """Return the streams by name."""
        return dict(vars(self))
