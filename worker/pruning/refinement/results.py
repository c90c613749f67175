"""The progress and the result of a refinement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefinementProgress:
    """The progress after an optimizer step.

    A caller may stop the refinement after any step.

    Attributes:
        block: index of the block.
        step: number of steps done for the block, or for the half of it that is being trained.
        steps: total number of steps for the block or the half.
    """

    block: int
    step: int
    steps: int


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
