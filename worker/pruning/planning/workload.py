"""What is to be done with a model, in names and numbers."""

from dataclasses import dataclass
from typing import Literal

Propagation = Literal["fused", "reference"]


@dataclass(frozen=True)
class Workload:
    """A job without its texts.

    Attributes:
        calibration_windows, evaluation_windows: how many of each.
        dense_windows: how many of the latter go through the dense model too; None for all.
        seq_len: tokens of each window.
        dtype: what the forwards compute in, such as ``bfloat16``.
        device: ``cpu`` or ``cuda``.
        method: whose scores; None where the solver chooses.
        solver: what repairs the kept weights, if anything.
        propagation: what was asked for.
        measures_outliers: whether a pass over the dense model precedes, as for ``owl``.
        corrects: whether the calibration windows go through the dense model too, for the solver.
        needs_gradients: whether the dense model's gradients are measured first, as for ``gblm``.
        swaps: whether weights are swapped after a mask is chosen.
    """

    calibration_windows: int
    evaluation_windows: int
    seq_len: int
    dtype: str
    device: str
    method: str | None
    solver: str | None
    propagation: Propagation
    measures_outliers: bool = False
    corrects: bool = False
    needs_gradients: bool = False
    swaps: bool = False
    dense_windows: int | None = None

    @property
    def calibration_tokens(self) -> int:
        """Tokens that statistics are taken over."""
        return self.calibration_windows * self.seq_len

    @property
    def waiting_tokens(self) -> int:
        """Tokens whose hidden states wait between two blocks, in all streams together."""
        streams = 1 + self.measures_outliers + self.corrects
        return streams * self.calibration_tokens + self.evaluation_tokens + self.dense_tokens

    @property
    def evaluation_tokens(self) -> int:
        """Tokens that the loss is measured on."""
        return self.evaluation_windows * self.seq_len

    @property
    def dense_tokens(self) -> int:
        """Tokens of these that go through the dense model too."""
        windows = self.evaluation_windows if self.dense_windows is None else self.dense_windows
        return windows * self.seq_len


@dataclass(frozen=True)
class Setting:
    """How a workload is run.

    Attributes:
        propagation: ``fused``, or ``reference`` where the states of all batches do not fit.
        batch_tokens: tokens of one forward, or one window where that is longer.
        spills: whether the hidden states between two blocks lie in scratch files.
    """

    propagation: Propagation
    batch_tokens: int
    spills: bool

    def batch(self, seq_len: int) -> int:
        """Return the tokens of one batch of whole windows."""
        return max(1, self.batch_tokens // seq_len) * seq_len
