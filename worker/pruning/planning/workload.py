"""The work that a sweep has to do, and the setting in which it runs."""

from dataclasses import dataclass
from typing import Literal

from worker.pruning.planning.stage_work import LayerWork, StageWork, Windows
from worker.pruning.structure.measures import UnitMeasuring

Propagation = Literal["fused", "reference"]


@dataclass(frozen=True)
class Workload(Windows):
    """The work that a sweep has to do.

    Attributes:
        dense_windows: number of evaluation windows that also run through the dense model; None for
            all.
        method: name of the method that scores weights; None if the solver chooses the mask, or
            nothing is pruned.
        solver: name of the solver; None if no solver is used.
        propagation: the requested propagation; if ``fused`` does not fit in memory, ``reference``
            is used.
        allocation: name of the allocation that measures the dense model first, or ``depth`` if
            its blocks or experts are measured as a whole; None if the dense model is not measured.
        corrects: whether a repair's target is corrected with the layers' inputs in the dense model.
        needs_gradients: whether gradients of the dense model are measured first, as for ``gblm``.
        swaps: whether weights are swapped after the mask is chosen.
        evaluation_seq_len: number of tokens in each evaluation window; None if as many as in a
            calibration window.
        compared_windows: number of evaluation windows on which the predictions of the dense and the
            pruned model are compared.
        repairs_units: whether the layers that read units are repaired as some are removed.
        calibrates_blocks: whether the calibration windows run through the blocks as these are
            pruned or changed.
        measures_layers: whether the inputs of layers are measured, for which batches wait.
        own: what prunes layers in place of a method and a solver; None for nothing.
        measuring: how units are measured before the sweep; None if they are not.
        stages: what the stages of the sweep add, in their order.
    """

    method: str | None
    solver: str | None
    propagation: Propagation
    allocation: str | None = None
    corrects: bool = False
    needs_gradients: bool = False
    swaps: bool = False
    dense_windows: int | None = None
    evaluation_seq_len: int | None = None
    compared_windows: int = 0
    repairs_units: bool = False
    calibrates_blocks: bool = True
    measures_layers: bool = True
    own: LayerWork | None = None
    measuring: UnitMeasuring | None = None
    stages: tuple[StageWork, ...] = ()

    @property
    def runs_backward(self) -> bool:
        """Whether gradients of the dense model are measured first, for any purpose."""
        return self.needs_gradients or (
            self.measuring is not None and self.measuring.needs_gradients
        )

    @property
    def measured_seq_len(self) -> int:
        """Number of tokens in each evaluation window."""
        return self.evaluation_seq_len or self.seq_len

    @property
    def longest(self) -> int:
        """Number of tokens in the longest window."""
        return max(self.seq_len, self.measured_seq_len)

    @property
    def allocates(self) -> bool:
        """Whether the dense model is measured first."""
        return self.allocation is not None

    @property
    def stream_tokens(self) -> int:
        """The number of hidden states that are kept at once, one for each token.

        They are those that a sweep carries from block to block, and those that stages keep.
        """
        kept = sum(stage.keeps_targets for stage in self.stages)
        streams = 1 + self.allocates + self.runs_dense + kept
        few = self.measuring.stream_tokens if self.measuring else 0
        return streams * self.calibration_tokens + self.evaluation_tokens + self.dense_tokens + few

    @property
    def runs_dense(self) -> bool:
        """Whether calibration windows run through the dense model, too, for a correction."""
        return self.corrects or any(stage.follows_dense for stage in self.stages)

    @property
    def evaluation_tokens(self) -> int:
        """Number of evaluation tokens."""
        return self.evaluation_windows * self.measured_seq_len

    @property
    def dense_tokens(self) -> int:
        """Number of evaluation tokens that also run through the dense model."""
        windows = self.evaluation_windows if self.dense_windows is None else self.dense_windows
        return windows * self.measured_seq_len


@dataclass(frozen=True)
class Setting:
    """How a sweep runs.

    Attributes:
        propagation: ``fused``, or ``reference`` if that was requested or the states of all batches
            do not fit in memory.
        batch_tokens: the most tokens in one forward pass, unless a single window has more.
        spills: whether hidden states between two blocks are kept in scratch files.
    """

    propagation: Propagation
    batch_tokens: int
    spills: bool

    def batch(self, seq_len: int) -> int:
        """Return the number of tokens of a batch, which consists of whole windows."""
        return max(1, self.batch_tokens // seq_len) * seq_len
