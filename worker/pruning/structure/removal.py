"""The interface of a removal of units or blocks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measures import UnitMeasuring
from worker.pruning.structure.reduction import Reduction
from worker.pruning.structure.smaller_config import Fields
from worker.pruning.structure.units import Units


@dataclass(frozen=True)
class Removal:
    """A removal of units or blocks from a model, which may make the model smaller.

    Attributes:
        ratio: the share of the blocks' parameters that is removed after the last increment.
        increment: the increment that is made.
        is_exact: whether the ratio is met as closely as kernels allow, though widths are multiples
            of less then.
        drops_blocks: whether whole blocks are removed, and nothing within the others.
        measures_units: whether the units of the whole model are measured before the sweep.
    """

    ratio: float
    increment: Increment = field(default=AT_ONCE, kw_only=True)
    is_exact: bool = field(default=False, kw_only=True)
    drops_blocks: ClassVar[bool] = False
    measures_units: ClassVar[bool] = False

    @property
    def repairs(self) -> bool:
        """Whether the layers that read the units are repaired."""
        return False

    @property
    def is_in_place(self) -> bool:
        """Whether removed units stay in place as zeros, so that the model keeps its shapes."""
        return False

    @property
    def spared_windows(self) -> int:
        """How many of the calibration windows, the last ones, are of a second text."""
        return 0

    def at(self, increment: Increment) -> Self:
        """Return the part of the removal that one increment makes."""
        return replace(self, increment=increment)

    def sparing(self, windows: int) -> Self:
        """Return the removal if the last ``windows`` calibration windows are of a second text."""
        return self

    def starting(self, start: tuple[float, ...]) -> Self:
        """Return the removal if its search starts from the probabilities of an earlier one."""
        return self

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return all units of a block; `reduction` says how many of them are removed."""
        raise NotImplementedError

    def ratios(self, meta_model: MetaModel) -> Sequence[float]:
        """Return the ratios that are met exactly, ascending.

        Raises:
            UnsupportedModelError: the model has no such units, or what a ratio removes is known
                only after the units are measured.
        """
        raise NotImplementedError

    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        Raises:
            UnsupportedModelError: the model has no such units, or no config describes the smaller
                model.
            RatioError: no number of units is near the ratio.
            IncrementsError: there are fewer units to remove than increments.
        """
        raise NotImplementedError

    def fields(self, meta_model: MetaModel, removed: Collection[int]) -> Fields:
        """Return the fields of the smaller model's config that change.

        Args:
            removed: the blocks that are removed as a whole; none unless `drops_blocks`.
        """
        return self.reduction(meta_model).fields

    def chosen(self, meta_model: MetaModel, distances: Sequence[float]) -> list[int]:
        """Return the indices of the blocks to remove as a whole, given how much each changes."""
        return []

    def measuring(self, meta_model: MetaModel, windows: Tensor) -> UnitMeasuring | None:
        """Return how units are measured before the sweep; None if they are not.

        Args:
            windows: token ids ``[windows, tokens]`` of the calibration windows.
        """
        return None
