"""The hidden states that a sweep carries from block to block."""

from dataclasses import dataclass

from worker.pruning.model.activations import Activations


@dataclass(frozen=True)
class Streams:
    """Four sets of hidden states, each advanced block by block, and a fifth within one block.

    Attributes:
        calibration: of the calibration windows, in the model as pruned so far.
        dense_calibration: of the same windows in the dense model; empty without correction.
        dense_evaluation: of the evaluation windows, or the first of them, in the dense model.
        evaluation: of the evaluation windows, in the model as pruned so far.
        targets: what a refined block should return for ``calibration``; empty between blocks.
    """

    calibration: Activations
    dense_calibration: Activations
    dense_evaluation: Activations
    evaluation: Activations
    targets: Activations

    def named(self) -> dict[str, Activations]:
        """Return the streams that go on from block to block, by name."""
        return {name: states for name, states in vars(self).items() if name != "targets"}
