"""The progress and the result of a refinement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefinementProgress:
    """An optimizer step that is done: a place to stop between two blocks.

    Attributes:
        block: index of the block.
        step: how many steps of this block, or of this half of it, are done.
        steps: how many there are.
    """

    block: int
    step: int
    steps: int


@dataclass(frozen=True)
class RefinementResult:
    """What the refinement of one block achieved.

    Attributes:
        held_out_before: the squared error of the block's outputs on the windows held out, as it
            was pruned, relative to the variance of its targets.
        held_out_after: the same of the weights that were kept; never more.
        learning_rate: the highest one.
    """

    held_out_before: float
    held_out_after: float
    learning_rate: float
