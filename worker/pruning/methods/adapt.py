"""The importance of units and of blocks in Adapt-Pruner (arXiv 2502.03460)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from worker.pruning.structure.units import Units

MOST = 0.99
"""The largest share of its units that a block loses."""
_BISECTIONS = 100


def unit_importance(
    units: Units, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> Tensor:
    """Return how strongly the loss depends on each unit: Σ |W ⊙ ∂L/∂W| over all its entries.

    Args:
        units: the units of one module.
        weights: the block's parameters, in any float dtype, by their names in the block.
        gradients: the gradients of the loss, fp32, by the same names.

    Returns:
        ``[units]`` fp64.
    """
    total = torch.zeros(units.count, dtype=torch.float64)
    for piece in units.slices:
        weight, gradient = weights[piece.parameter], gradients[piece.parameter]
        entries = (piece.part(weight).float() * piece.part(gradient)).abs_()
        rows = entries.movedim(piece.dim, 0)
        sums = rows.reshape(len(rows), -1).sum(1, dtype=torch.float64).cpu()
        total += sums[piece.places].sum(1)
    return total


def block_importance(distances: Sequence[float]) -> list[float]:
    """Return how important blocks are, from -1 to 1.

    It is −cos of a block's inputs and outputs, minus the mean over blocks, divided by the largest
    size of these differences; 0 for all if they do not differ.

    Args:
        distances: 1 − cos of each block.
    """
    mean = sum(distances) / len(distances)
    centred = [distance - mean for distance in distances]
    largest = max(map(abs, centred))
    return [difference / largest if largest else 0.0 for difference in centred]


def next_sparsities(
    sparsities: Sequence[float], distances: Sequence[float], step: float
) -> list[float]:
    """Return the share of its units that each block loses, after one more step.

    A share s becomes clip(s + step − A · I, 0, 0.99), where I is the block's importance. The
    amplitude A is as large as the step, as the published 0.02 and 0.02 are: so no share falls.

    Args:
        sparsities: the shares after the last step.
        distances: 1 − cos of the inputs and outputs of each block, without the units that it has
            lost so far.
        step: by how much the mean share rises.
    """
    importance = block_importance(distances)
    risen = (s + step - step * i for s, i in zip(sparsities, importance, strict=True))
    return [min(max(share, 0.0), MOST) for share in risen]


def shifted(
    sparsities: Sequence[float],
    sizes: Sequence[int],
    parameters: float,
    lowest: Sequence[float] | None = None,
) -> list[float]:
    """Return shares that differ from these by the same number, and remove ``parameters`` in all.

    They stay between the lowest ones and `MOST`.

    Args:
        sparsities: the share of its units that each block loses.
        sizes: how many parameters the units of each block have.
        parameters: how many are to be removed.
        lowest: the share that each block has lost already; 0 if None.
    """
    floors = lowest or [0.0] * len(sizes)

    def moved(shift: float) -> list[float]:
        pairs = zip(sparsities, floors, strict=True)
        return [min(max(share + shift, least), MOST) for share, least in pairs]

    low, high = -1.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        removed = sum(share * size for share, size in zip(moved(middle), sizes, strict=True))
        low, high = (middle, high) if removed < parameters else (low, middle)
    return moved(high)
