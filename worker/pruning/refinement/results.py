"""The progress and the result of a refinement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefinementProgress:
    """The progress after an optimizer step; a caller may stop here, before the block is done.

    Attributes:
        block: index of the block.
        step: number of steps done for this block, or for this half of it.
        steps: total number of steps for the block or half.
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
        held_out_after: the same error with the weights that were stored in the end; never larger.
        learning_rate: the peak learning rate.
    """

    held_out_before: float
    held_out_after: float
    learning_rate: float
