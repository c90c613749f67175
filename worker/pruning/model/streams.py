"""The hidden states that a sweep carries from block to block."""

from dataclasses import dataclass

from worker.pruning.model.activations import Activations


@dataclass(frozen=True)
class Streams:
    """Five sets of hidden states: ``targets`` is for one block, the others go through all blocks.

    Attributes:
        calibration: states of the calibration windows, in the model as pruned so far.
        dense_calibration: states of the same windows in the dense model; empty without correction.
        dense_evaluation: states of the evaluation windows in the dense model; only of the first
            windows if the loss of the dense model is known.
        evaluation: states of the evaluation windows, in the model as pruned so far.
        targets: outputs of the dense block for ``calibration``, from which the targets of a
            refinement are computed; empty between blocks.
    """

    calibration: Activations
    dense_calibration: Activations
    dense_evaluation: Activations
    evaluation: Activations
    targets: Activations

    def named(self) -> dict[str, Activations]:
        """Return the streams that go through all blocks, by name."""
        return {name: states for name, states in vars(self).items() if name != "targets"}
