"""Coordinate descent on rounded weights: integer after integer, then scale after scale."""

import torch
from torch import Tensor

from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.quantization.scales import representable, round_to

ROUNDS = 3
"""Passes over all integers, each followed by a pass over all scales; more of them gain little."""
_BLOCK = 64  # columns that are changed one by one between two large products
_ROUND_BYTES = 350 + 2 * _BLOCK  # read and written per weight in a round


class Descent:
    """The descent of a rounded matrix Q on the error tr((Q − W)H(Q − W)ᵀ), for its weights W.

    A pass over the integers is cyclic coordinate descent, as in QuantEase (Behdin et al., 2023,
    arXiv:2309.01885; CDQuant, arXiv:2406.17542, takes the best column first): while the other
    columns are fixed, the best value of a kept weight q_j is q_j − G_j / H_jj with G = (Q − W)H,
    and q_j becomes the nearest multiple of its scale. In a pass over the scales, each is that of
    least squares: while the integers i of a row's group g are fixed, s becomes
    s − (G_g · i) / (iᵀH_gg i). A change is made only if it lowers the error with the scale and the
    products rounded to the weight's dtype, so that the error never rises, apart from rounding in
    fp32.

    Args:
        weight: ``[out, in]``, any float dtype; its zeros are the pruned weights; not modified.
        damped: H, ``[in, in]`` fp32, symmetric, with a positive diagonal; not modified.
        integers: ``[in, out]`` int8, transposed as all matrices here are, so that each column is
            contiguous; 0 where the weight is 0; modified.
        scales: ``[groups, out]`` in the weight's dtype, positive; modified.
        bits: bits of each integer.
    """

    def __init__(
        self, weight: Tensor, damped: Tensor, integers: Tensor, scales: Tensor, bits: int
    ) -> None:
        self._weight, self._damped, self._bits = weight, damped, bits
        self._integers, self._scales = integers, scales
        self._size = len(integers) // len(scales)
        self._changes = torch.empty_like(integers, dtype=torch.float32)  # Q − W
        for start in range(0, len(integers), self._size):
            group = slice(start, start + self._size)
            rounded = self._products(integers[group].float(), scales[start // self._size].float())
            self._changes[group] = rounded.sub_(weight[:, group].T)

    def run(self) -> None:
        """Make all rounds."""
        for _ in range(ROUNDS):
            self.run_round()

    def run_round(self) -> None:
        """Make a pass over all integers, and a pass over all scales."""
        for start in range(0, len(self._integers), _BLOCK):
            self._change_integers(start, min(start + _BLOCK, len(self._integers)))
        for group in range(len(self._scales)):
            self._change_scales(group)

    def _change_integers(self, start: int, stop: int) -> None:
        """Change the integers of a block, column by column."""
        block = slice(start, stop)
        groups = torch.arange(start, stop, device=self._scales.device) // self._size
        scales, integers = self._scales[groups].float(), self._integers[block].float()
        kept = (self._weight[:, block].T != 0).contiguous()
        diagonal = self._damped.diagonal()[block, None]
        steps = self._damped[block, block] / diagonal
        old = self._products(integers, scales)
        best = old - (self._damped[block] @ self._changes).div_(diagonal)
        moves = torch.zeros_like(old)
        for row in range(stop - start):
            wanted = torch.addmv(best[row], moves[:row].T, steps[row, :row], alpha=-1)
            rounded = round_to(wanted, scales[row], self._bits)
            new = self._products(rounded, scales[row])
            is_better = ((new - wanted).abs_() < (old[row] - wanted).abs_()).logical_and_(kept[row])
            moves[row] = (new - old[row]).mul_(is_better)
            integers[row] = torch.where(is_better, rounded, integers[row])
        self._integers[block] = integers.to(torch.int8)
        self._changes[block] += moves

    def _change_scales(self, group: int) -> None:
        """Change the scales of a group, each row's by itself."""
        block = slice(group * self._size, (group + 1) * self._size)
        within, gradient = self._damped[block, block], self._damped[block] @ self._changes
        integers, old = self._integers[block].float(), self._scales[group].float()
        curvature = (within @ integers).mul_(integers).sum(0)
        exact = old - (gradient * integers).sum(0) / curvature  # NaN if all integers are 0
        new = representable(exact, self._scales.dtype)
        moves = self._products(integers, new) - self._products(integers, old)
        rise = (within @ moves).add_(gradient, alpha=2).mul_(moves).sum(0)
        is_better = (rise < 0) & (exact > 0) & new.isfinite()
        self._scales[group] = torch.where(is_better, new, old).to(self._scales.dtype)
        self._changes[block] += torch.where(is_better, moves, 0.0)

    def _products(self, integers: Tensor, scales: Tensor) -> Tensor:
        """Return integers times scales, as the weight's dtype rounds them; fp32."""
        return (integers * scales).to(self._scales.dtype).float()


def descent_cost(layer: LayerShape, group_size: int) -> Cost:
    """Return the cost of the descent of one layer."""
    operations = ROUNDS * 4.0 * (layer.inputs + group_size)  # per weight; two passes in a round
    return Cost(
        fp32_matmul=operations * layer.weights, elementwise=ROUNDS * _ROUND_BYTES * layer.weights
    )
