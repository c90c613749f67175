"""The interface of a stage: one option of a sweep."""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import Tensor, nn

from worker.pruning.base.increments import Increment
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.calibrated_block import CalibratedBlock, Calibration
from worker.pruning.model.activations import Activations
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.model.streams import Streams
from worker.pruning.planning.stage_work import StageWork
from worker.pruning.structure.smaller_config import Fields
from worker.pruning.sweep.results import UnitProgress


class BlockLayers(NamedTuple):
    """A block with its name in the model, and those of its linear layers that may be changed."""

    name: str
    block: nn.Module
    layers: list[LinearLayer]


@dataclass(frozen=True)
class StagedModel:
    """A model, and what its stages share.

    Attributes:
        layers: returns the layers of a block that stages may change.
        correction: as in `Recipe`.
    """

    meta_model: MetaModel
    layers: Callable[[MetaModel, int, nn.Module], list[LinearLayer]]
    correction: float

    @cached_property
    def blocks(self) -> Sequence[BlockLayers]:
        """The blocks, with the layers that stages may change."""
        model = self.meta_model
        return [
            BlockLayers(model.block_name(index), block, self.layers(model, index, block))
            for index, block in enumerate(model.blocks)
        ]


@dataclass(frozen=True)
class StageResult:
    """The result of a stage for one block.

    Attributes:
        fields: its fields of `BlockResult`.
        packed: matrices to write in place of the parameters of the same names.
        copied: stored tensors to write in place of parameters, as `ModelOutput.write_block` does.
    """

    fields: Mapping[str, Any]
    packed: Mapping[str, QuantizedMatrix] = field(default_factory=dict)
    copied: Mapping[str, str] = field(default_factory=dict)


class BlockStage:
    """A stage at work in a sweep, after the layers of a block are pruned.

    Attributes:
        takes_targets: whether it takes the outputs of the dense block for the calibration windows.
    """

    takes_targets: ClassVar[bool] = False

    def embed(self) -> None:
        """Prepare its forwards; the model's embeddings are loaded."""

    def run(
        self, pruned: CalibratedBlock, layers: Sequence[LinearLayer], *, advances: bool
    ) -> Generator[StageProgress, None, StageResult]:
        """Change a pruned block; if ``advances``, replace its inputs by its outputs.

        Yields:
            The progress, at points where the sweep may stop.
        """
        raise NotImplementedError


class SmallerBlock(NamedTuple):
    """A block that has become smaller.

    Attributes:
        parameters: its parameters in their stored dtype, by their names in the block.
        result: what was done.
    """

    parameters: dict[str, Tensor]
    result: StageResult


class BlockCutter(Protocol):
    """Makes each block of a sweep smaller before anything else is done to it.

    Attributes:
        smaller: the smaller model, whose blocks run in place of those that were cut.
    """

    @property
    def smaller(self) -> MetaModel:
        """The smaller model, of which no weights are stored yet."""

    @property
    def basis(self) -> list[Any] | None:
        """What `measure` depends on besides the dense model and the windows, ready for JSON.

        None if nothing is measured before the first block is cut.
        """

    def measure(self, states: Activations) -> Generator[UnitProgress, None, list[Any]]:
        """Measure the dense model; return a value that is the same after conversion to JSON.

        Args:
            states: the first block's inputs, which are replaced by the last block's.
        """

    def knowing(self, measured: Sequence[Any]) -> Self:
        """Return the cutter that knows the result of `measure`."""

    def cut(
        self, block: nn.Module, index: int, stored: Mapping[str, Tensor], streams: Streams
    ) -> SmallerBlock:
        """Cut a block.

        Args:
            block: the dense block with its weights.
            index: index of the block.
            stored: its parameters in their stored dtype, by their names in the block.
            streams: the inputs of the block, which do not change.
        """


class SweepStage:
    """One option of a sweep: what it asks of a model, what it needs, and what it does to blocks.

    Every method has a default, for a stage that has nothing to do there.

    Attributes:
        goes_with_removal: whether units may be removed before it.
        follows_dense: whether a correction has it follow the dense model, too.
        cuts: whether it makes blocks smaller as the sweep reaches them.
        copies: whether it copies all matrices of 8-bit floats that stay, byte for byte.
    """

    goes_with_removal: ClassVar[bool] = True
    follows_dense: ClassVar[bool] = False
    cuts: ClassVar[bool] = False
    copies: ClassVar[bool] = False

    @property
    def is_measured_first(self) -> bool:
        """Whether its `cutter` measures the dense model, so that cutting takes no windows."""
        return False

    @property
    def spared_windows(self) -> int:
        """How many of the calibration windows, the last ones, are of a second text."""
        return 0

    def sparing(self, windows: int) -> Self:
        """Return the stage if the last ``windows`` calibration windows are of a second text."""
        return self

    def fields(self, meta_model: MetaModel) -> Fields:
        """Return the fields of the decoder's config that it changes.

        Raises:
            PruningError: it does not fit the model.
        """
        return {}

    def removed(self, meta_model: MetaModel) -> int:
        """Return how many parameters the blocks lose by the stage."""
        return 0

    def left_out(self, meta_model: MetaModel) -> tuple[str, ...]:
        """Return the names of stored tensors outside the blocks that the result does not have."""
        return ()

    def cutter(
        self, model: StagedModel, calibration: Calibration, second_text: Collection[int]
    ) -> BlockCutter | None:
        """Return what makes blocks smaller; None if it does not.

        ``second_text`` are the indices of this rank's batches of a second text.
        """
        return None

    def at(self, increment: Increment) -> Self:
        """Return the part of the stage that one increment makes."""
        return self

    def check(self, model: StagedModel) -> None:
        """Raise a `PruningError` if the stage does not fit the model."""

    def warnings(self, meta_model: MetaModel) -> Iterable[str]:
        """Return sentences about the result, for a model that the stage fits, before any work."""
        return ()

    def work(self, model: StagedModel) -> StageWork:
        """Return what it adds to the memory and the time of the sweep."""
        raise NotImplementedError

    def open(self, model: StagedModel, calibration: Calibration) -> BlockStage | None:
        """Return the stage at work; None if it does nothing to the blocks of a sweep."""
        return None
