"""Finding the units that earlier increments have removed from a model."""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.units import Slices, Units


def lost_units(meta_model: MetaModel, of_block: Sequence[Sequence[Units]]) -> Tensor:
    """Return which units have no effect, because all weights that read them are zero.

    Args:
        meta_model: the model, whose blocks are read one after the other.
        of_block: the units of each block.

    Returns:
        ``[n]`` bool, for the units of all modules in their order.
    """
    lost = []
    for index, units in enumerate(of_block):
        stored = meta_model.read_block(index)
        lost += [~is_read(group.slices[0], stored[group.slices[0].parameter]) for group in units]
    return torch.cat(lost)


def is_read(columns: Slices, parameter: Tensor) -> Tensor:
    """Return which units have a weight in the columns of their reader, ``[units]`` bool."""
    rows = (columns.part(parameter) != 0).movedim(columns.dim, 0)
    return rows.flatten(1).any(1).cpu()[columns.places].any(1)
