"""The settings of a refinement, and how many windows it takes."""

from dataclasses import dataclass
from typing import Literal

from worker.pruning.base.errors import RefinementError

FEWEST_WINDOWS = 8
"""Of these, one is held out."""
CHECKS = 4
"""How often the held-out loss is measured while a block, or a half of it, is trained."""
_STEP_TOKENS = 1024


@dataclass(frozen=True)
class WindowCounts:
    """How many calibration windows there are, and what a refinement does with them.

    Attributes:
        available: how many there are.
        training: how many are trained on.
        held_out: how many are held out.
        per_step: how many make one step.
    """

    available: int
    training: int
    held_out: int
    per_step: int


@dataclass(frozen=True)
class Refinement:
    """How the kept weights of each block are trained after it has been pruned.

    Attributes:
        scope: ``block`` trains all layers together; ``half`` first those of the block's first
            module, such as attention, and then the others, each in ``steps`` steps, which halves
            the memory of the optimizer.
        steps: number of optimizer steps.
        tokens: the most calibration tokens to use, those held out included; None for all.
        learning_rate: the highest one; None for that of the model's size.
        norms: whether the weights of the block's norms are trained as well.
        seed: seed of the draws of windows.
    """

    scope: Literal["block", "half"] = "block"
    steps: int = 128
    tokens: int | None = None
    learning_rate: float | None = None
    norms: bool = True
    seed: int = 0

    def window_counts(self, available: int, seq_len: int) -> WindowCounts:
        """Return how many windows are trained on, are held out, and make one step.

        An eighth is held out. A step takes about 1,024 tokens.

        Args:
            available: number of calibration windows.
            seq_len: tokens in each.

        Raises:
            RefinementError: there are fewer than eight.
        """
        used = available if self.tokens is None else min(available, self.tokens // seq_len)
        if used < FEWEST_WINDOWS:
            remedy = f"set samples to {FEWEST_WINDOWS} or more"
            if available >= FEWEST_WINDOWS:
                remedy = f"set its tokens to {FEWEST_WINDOWS * seq_len} or more"
            raise RefinementError(
                f"refine needs {FEWEST_WINDOWS} calibration windows, an eighth of which it holds "
                f"out, and gets {used} of {seq_len} tokens; {remedy}"
            )
        held_out = used // FEWEST_WINDOWS
        training = used - held_out
        per_step = min(training, max(1, _STEP_TOKENS // seq_len))
        return WindowCounts(available, training, held_out, per_step)
