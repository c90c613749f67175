"""Some rows of a matrix, copied before pruning to measure how pruning changes them."""

import math

import torch
from torch import Tensor

from worker.pruning.methods.target import Target
from worker.pruning.stats.gram import GramMoments
from worker.pruning.stats.input_moments import Moments
from worker.pruning.sweep.results import WeightHistogram

ROWS = 64
BINS = 40
_DEVIATIONS = 4.0


class SampledRows:
    """Up to 64 evenly spaced rows of a matrix that is about to be pruned.

    Args:
        target: the matrix, before it is pruned.
    """

    def __init__(self, target: Target) -> None:
        count = len(target.stored)
        self._target = target
        self._index = torch.linspace(0, count - 1, min(count, ROWS)).long()
        self._before = self._read()

    def error(self, moments: Moments) -> float | None:
        """Return the error that pruning has caused in the outputs of these rows.

        It is ‖(Ŵ − W)X‖ / ‖WX‖, where W are the rows before pruning, Ŵ the rows now, and X the
        layer's calibration inputs. Without a Gram matrix, the inputs' features are taken to be
        uncorrelated.

        Args:
            moments: the moments of the layer's inputs.

        Returns:
            The relative error; None if the layer has no inputs or if the rows' outputs are zero.
        """
        if moments.tokens == 0:
            return None
        dense = _output_power(self._before, moments)
        if dense == 0:
            return None
        return math.sqrt(_output_power(self._read() - self._before, moments) / dense)

    def histogram(self) -> WeightHistogram:
        """Return the histogram of these rows before pruning and now."""
        limit = _DEVIATIONS * float(self._before.square().mean().sqrt())
        after = self._read()
        before = _counts(self._before, limit)
        return WeightHistogram(limit, before, _counts(after[after != 0], limit))

    def _read(self) -> Tensor:
        return self._target.stored[self._index].to(self._target.layer.weight.device, torch.float32)


def _output_power(rows: Tensor, moments: Moments) -> float:
    """Return the mean square of the outputs of ``rows [n, in]``, summed over the rows."""
    if isinstance(moments, GramMoments):
        power = float((rows @ moments.gram().matrix).mul_(rows).sum())
    else:
        power = float((rows.square() @ moments.sq_mean()).sum())
    return max(power, 0.0)


def _counts(weights: Tensor, limit: float) -> tuple[int, ...]:
    """Count the weights in `BINS` equal bins from -limit to limit; the outer bins take the rest."""
    clamped = weights.flatten().clamp(-limit, limit).cpu()
    return tuple(int(n) for n in torch.histc(clamped, BINS, -limit or -1.0, limit or 1.0))
