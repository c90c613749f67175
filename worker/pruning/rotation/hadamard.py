"""Random Walsh-Hadamard rotations."""

from dataclasses import dataclass

import torch
from torch import Tensor

_PIECE = 1 << 22  # numbers that are rotated at a time


@dataclass(frozen=True)
class Rotation:
    """An orthogonal matrix R: random signs, then a Walsh-Hadamard matrix.

    If the size is no power of two, R has one such matrix for each piece of features; a piece has as
    many as the largest power of two that divides the size.

    Attributes:
        signs: 1 or −1 for each feature, ``[size]`` fp32.
    """

    signs: Tensor

    @classmethod
    def draw(cls, size: int, generator: torch.Generator) -> "Rotation":
        """Draw the rotation of ``size`` features."""
        return cls(torch.randint(0, 2, (size,), generator=generator) * 2.0 - 1)

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self.signs)

    def of_rows(self, values: Tensor) -> Tensor:
        """Return x R for each row x of ``values [..., n · size]``, fp32.

        With n above 1, each of n neighbouring vectors of a row is rotated alone.
        """
        flat = values.float().reshape(-1, self.size)
        pieces = torch.split(flat, max(1, _PIECE // self.size))
        return torch.cat([self._rotated(piece) for piece in pieces]).view(values.shape)

    def of_columns(self, values: Tensor) -> Tensor:
        """Return Rᵀ X for ``values`` X ``[n · size, m]``, fp32."""
        return self.of_rows(values.T).T

    def _rotated(self, rows: Tensor) -> Tensor:
        width = self.size & -self.size
        values = (rows * self.signs.to(rows.device)).reshape(-1, width)
        step = 1
        while step < width:
            pairs = values.view(-1, width // (2 * step), 2, step)
            first, second = pairs[:, :, 0], pairs[:, :, 1]
            values = torch.stack((first + second, first - second), dim=2).view(-1, width)
            step *= 2
        return values.div_(width**0.5).view(rows.shape)
