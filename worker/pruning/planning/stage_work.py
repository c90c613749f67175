"""The interface of what a stage adds to the memory and the time of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from worker.pruning.base.shapes import BlockShape, LayerShape, ModelShape, ParameterCounts
from worker.pruning.base.speed import Cost
from worker.pruning.methods.solvers.solver import SolverMemory


@dataclass(frozen=True)
class PhaseMemory:
    """Bytes of memory on the host and on the device; 0 on the device if the CPU computes."""

    host_bytes: int
    device_bytes: int


@dataclass(frozen=True)
class Windows:
    """The windows that run through the model, and how it computes.

    Attributes:
        calibration_windows, evaluation_windows: number of windows of each kind.
        seq_len: number of tokens in each calibration window.
        dtype: name of the dtype of the forward passes, such as ``bfloat16``.
        device: ``cpu`` or ``cuda``.
    """

    calibration_windows: int
    evaluation_windows: int
    seq_len: int
    dtype: str
    device: str

    @property
    def calibration_tokens(self) -> int:
        """Number of calibration tokens."""
        return self.calibration_windows * self.seq_len


class MemoryParts(Protocol):
    """The memory that parts of a phase take, in bytes."""

    @property
    def shape(self) -> ModelShape:
        """The model."""

    @property
    def windows(self) -> Windows:
        """The windows."""

    @property
    def batch_tokens(self) -> int:
        """Number of tokens in a batch."""

    def block_phase(self, block: BlockShape, running: int, norms: int = 0) -> PhaseMemory:
        """Return the peak memory of a phase that handles one block at a time.

        Args:
            running: the bytes that it takes where the forwards run.
            norms: the bytes that it takes on the host besides.
        """

    def copy(self, parameters: ParameterCounts) -> int:
        """Return the bytes of the forward's copies of weights."""

    def forward(self, tokens: int | None = None) -> int:
        """Return the peak bytes of a block's forward on ``tokens`` tokens, by default a batch."""

    def fused_states(self, block: BlockShape) -> int:
        """Return the bytes of the states that wait while layers are changed one after another."""

    def solving(self, layers: tuple[LayerShape, ...], memory: SolverMemory) -> int:
        """Return the peak bytes of solving a block's layers one after another."""


class CostParts(Protocol):
    """The costs of parts of a sweep."""

    @property
    def windows(self) -> Windows:
        """The windows."""

    def forward(self, block: BlockShape, length: int) -> Cost:
        """Return the cost of a token, in a window of this length, in a forward pass of a block."""

    def gram(self, layer: LayerShape) -> Cost:
        """Return the cost of the Gram matrix of a layer's inputs."""


class LayerWork(Protocol):
    """A pruning of layers by their inputs' Gram matrices, in place of a method and a solver."""

    @property
    def memory(self) -> SolverMemory:
        """The memory that a layer takes."""

    def cost(self, layer: LayerShape) -> Cost:
        """Return the cost of a layer, without its Gram matrix."""


class StageWork:
    """The memory and the time that a stage adds to a sweep. All but `memory` has a default.

    Attributes:
        phase: the name of its phase in `memory_by_phase`.
        comes_first: whether that phase comes before all measurements of the model.
        passes: how often it has the calibration windows run through each block; 0 if it changes no
            block of the sweep.
        advances: whether the last of these passes computes the outputs of the block, if it has to.
        keeps_targets: whether it keeps another hidden state for each calibration token.
        fewest_windows: the fewest calibration windows that it can do with.
        without: the change of the job that leaves the stage out, for a job that does not fit in
            memory; None if that would not help.
    """

    phase: ClassVar[str]
    comes_first: ClassVar[bool] = False
    passes: ClassVar[int] = 0
    advances: ClassVar[bool] = True
    keeps_targets: ClassVar[bool] = False
    fewest_windows: ClassVar[int] = 1
    without: ClassVar[str | None] = None

    @property
    def follows_dense(self) -> bool:
        """Whether the calibration windows run through the dense model, too."""
        return False

    def smaller(self) -> Iterator[tuple[str, Self]]:
        """Yield changes of the job that make its need of memory smaller, with what it is then."""
        yield from ()

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        """Return the memory of its phase for the block of this index."""
        raise NotImplementedError

    def cost(self, index: int, block: BlockShape, parts: CostParts) -> Cost:
        """Return what it computes for the block of this index, without `passes`."""
        return Cost()

    def files_cost(self, shape: ModelShape) -> Cost:
        """Return what it reads, writes and computes outside of the blocks' turn."""
        return Cost()

    def saved_bytes(self, index: int, block: BlockShape) -> int:
        """Return by how much it makes the written block of this index smaller."""
        return 0

    def scratch_bytes(self, shape: ModelShape) -> int:
        """Return the size of the files that it keeps while the sweep runs."""
        return 0
