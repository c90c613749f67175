"""The settings of a refinement, and how many windows it takes."""

from dataclasses import dataclass
from typing import Literal

from worker.pruning.base.errors import RefinementError

FEWEST_WINDOWS = 8
"""The fewest windows that a refinement can use; one of them is held out."""
CHECKS = 4
"""How many times the held-out loss is measured while a block, or a half of it, is trained."""
_STEP_TOKENS = 1024


@dataclass(frozen=True)
class WindowCounts:
    """How many calibration windows there are, and what a refinement does with them.

    Attributes:
        available: number of calibration windows.
        training: number of windows that are trained on.
        held_out: number of windows that are held out.
        per_step: number of windows in each optimizer step.
        tokens: number of tokens of each window, from its first one on, that are used. Later tokens
            have no influence on them, and a step with all tokens of a long window takes more than
            twice as long.
    """

    available: int
    training: int
    held_out: int
    per_step: int
    tokens: int


@dataclass(frozen=True)
class Refinement:
    """How the kept weights of each block are trained after it has been pruned.

    Attributes:
        scope: ``block`` trains all layers together. ``half`` first trains those of the block's
            first module, such as attention, and then the others. This reduces the memory of the
            optimizer.
        steps: number of optimizer steps for each block, or for each half.
        tokens: the maximum number of calibration tokens to use, held-out ones included; None for
            all.
        learning_rate: the peak learning rate; None for the default for the model's size.
        norms: whether the parameters of the block's norms are trained as well.
        seed: seed for the random choice and order of windows.
        first_step: number of steps that earlier increments have made; the order of windows
            continues after theirs.
    """

    scope: Literal["block", "half"] = "block"
    steps: int = 128
    tokens: int | None = None
    learning_rate: float | None = None
    norms: bool = True
    seed: int = 0
    first_step: int = 0

    def window_counts(self, available: int, seq_len: int) -> WindowCounts:
        """Return how many windows are trained on, how many are held out, and how many a step uses.

        An eighth of the windows that are used, rounded down, is held out. A step uses as many
        training windows as fit into 1,024 tokens, or the first 1,024 tokens of one window.

        Args:
            available: number of calibration windows.
            seq_len: number of tokens in each window.

        Raises:
            RefinementError: fewer than eight windows can be used.
        """
        used = available if self.tokens is None else min(available, self.tokens // seq_len)
        if used < FEWEST_WINDOWS:
            remedy = f"set samples to {FEWEST_WINDOWS} or more"
            if available >= FEWEST_WINDOWS:
                remedy = f"set its tokens to {FEWEST_WINDOWS * seq_len} or more"
            raise RefinementError(
                f"refine needs {FEWEST_WINDOWS} calibration windows, an eighth of which it holds "
                f"out, and gets {used} of {seq_len} tokens",
                remedy,
            )
        held_out = used // FEWEST_WINDOWS
        training = used - held_out
        per_step = min(training, max(1, _STEP_TOKENS // seq_len))
        return WindowCounts(available, training, held_out, per_step, min(seq_len, _STEP_TOKENS))
