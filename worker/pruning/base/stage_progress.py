"""The progress of what is done to a block after it has been pruned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StageProgress:
    """The progress after a step, such as one of an optimizer.

    A caller may stop the work after any step.

    Attributes:
        block: index of the block.
        step: number of steps done for the block, or for the half of it that is being trained.
        steps: total number of steps for the block or the half.
    """

    block: int
    step: int
    steps: int
