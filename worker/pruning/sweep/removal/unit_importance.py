"""The importance of each unit of the dense model, by the gradients of its loss."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from worker.pruning.methods.adapt import unit_importance
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.sweep.measurement.gradient_pass import LOSS_SCALE, BackwardPass, single_windows

Importance = list[dict[str, list[float]]]
"""For each block, the importance of the units of each module, by the name of the units."""


def measure_importance(
    backward: BackwardPass, removal: MeasuredUnits, batches: Iterable[Tensor], folder: Path
) -> Importance:
    """Measure how strongly the dense model's mean loss depends on each unit.

    Args:
        backward: runs the windows.
        removal: which units the blocks have.
        batches: the batches of this rank's token ids, each ``[windows, tokens]``.
        folder: an existing folder for temporary files.

    Raises:
        NotFiniteError: a gradient contains NaN or infinity.
    """
    windows = single_windows(batches)
    scale = LOSS_SCALE * backward.ranks.sum_of(len(windows))
    totals = _Sums(backward.meta_model, removal, scale)
    backward.run(windows, folder, totals)
    return totals.found


class _Sums:
    """The sums of gradients over windows, which give the importance of units.

    Args:
        removal: which units the blocks have.
        scale: by what the sums are divided, so that they are the gradients of the mean loss.

    Attributes:
        found: the importance of the units of each block.
    """

    def __init__(self, meta_model: MetaModel, removal: MeasuredUnits, scale: float) -> None:
        config = meta_model.config
        self._units = [removal.units(block, config) for block in meta_model.blocks]
        self._scale = scale
        self.found: Importance = [{} for _ in self._units]

    def names(self, index: int, block: nn.Module) -> list[str]:
        slices = (piece for units in self._units[index] for piece in units.slices)
        return list(dict.fromkeys(piece.parameter for piece in slices))

    def add(self, total: Tensor, gradient: Tensor) -> None:
        total.add_(gradient)

    def finish(self, index: int, block: nn.Module, totals: Mapping[str, Tensor]) -> None:
        weights = {name: block.get_parameter(name) for name in totals}
        self.found[index] = {
            units.name: (unit_importance(units, weights, totals) / self._scale).tolist()
            for units in self._units[index]
        }
