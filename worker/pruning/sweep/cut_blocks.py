"""The blocks of a sweep, which stages may make smaller before they are pruned."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from worker.pruning.base.stopwatch import Stopwatch
from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import BlockCutter, SmallerBlock


@dataclass(frozen=True)
class CutBlocks:
    """Makes the blocks of a sweep smaller, if a stage of its recipe does.

    Attributes:
        cutter: cuts a block; None if all keep their shapes.
        model: the model whose modules run the pruned blocks: the smaller one, or the model itself.
        seconds: adds up the time.
    """

    cutter: BlockCutter | None
    model: MetaModel
    seconds: Stopwatch

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        calibration: Calibration,
        second_text: Collection[int] | None,
        seconds: Stopwatch,
    ) -> Self:
        """Return what a recipe asks for; ``second_text`` is as in `CalibrationBatches`."""
        cutter = recipe.cutter(calibration, second_text or ())
        return cls(cutter, cutter.smaller if cutter else calibration.meta_model, seconds)

    @property
    def smaller(self) -> MetaModel | None:
        """The smaller model; None if all blocks keep their shapes."""
        return None if self.cutter is None else self.model

    def cut(
        self, block: nn.Module, index: int, stored: Mapping[str, Tensor], streams: Streams
    ) -> SmallerBlock | None:
        """Cut a block, as `BlockCutter.cut` does; return None if it keeps its shapes."""
        if self.cutter is None:
            return None
        with self.seconds("prune"):
            return self.cutter.cut(block, index, stored, streams)
