"""The result of a refinement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefinementResult:
    """The result of refining one block.

    Attributes:
        held_out_before: the squared error of the pruned block's outputs on the held-out windows
            before the training, relative to the variance of the targets.
        held_out_after: the same error with the weights that were stored in the end; never larger
            than ``held_out_before``.
        learning_rate: the peak learning rate.
    """

    held_out_before: float
    held_out_after: float
    learning_rate: float
