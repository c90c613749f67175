"""The errors that rounding makes in a block with and without a rotation."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from worker.pruning.quantization.scales import choose_scales, round_to
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.rotation.structure import OUTPUTS, READERS, VALUES, WRITERS

OF_RESIDUAL = (*(name for names in READERS.values() for name in names), *WRITERS)
"""The layers that the rotation of the residual stream changes."""
OF_VALUES = (VALUES, OUTPUTS)
"""The layers that the rotation of each head's values changes."""


@dataclass(frozen=True)
class RoundingErrors:
    """Squared errors of rounding.

    Attributes:
        weights: ‖Q(RᵀW) − RᵀW‖², summed over matrices.
        inputs: ‖Q(XR) − XR‖² / n for n tokens, summed over the inputs of these matrices.
    """

    weights: float
    inputs: float

    def __add__(self, other: "RoundingErrors") -> "RoundingErrors":
        return RoundingErrors(self.weights + other.weights, self.inputs + other.inputs)

    @property
    def total(self) -> float:
        """The number by which rotations are compared."""
        return self.weights + self.inputs


NO_ERRORS = RoundingErrors(0.0, 0.0)


@dataclass(frozen=True)
class Choice:
    """Whether a rotation is used, by the errors without and with it."""

    without: RoundingErrors
    rotated: RoundingErrors

    @property
    def is_rotated(self) -> bool:
        """Whether the rotation makes the errors smaller."""
        return self.rotated.total < self.without.total

    def as_json(self) -> dict[str, Any]:
        """Return the choice and its errors, ready for JSON."""
        return asdict(self) | {"is_rotated": self.is_rotated}


def rounding_errors(
    parameters: Mapping[str, Tensor],
    layers: Collection[str],
    inputs: Mapping[str, Tensor],
    scheme: Scheme,
) -> RoundingErrors:
    """Return the errors of rounding some layers of a block to the nearest values.

    Weights are rounded in groups as the scheme says, without regard to their inputs. Inputs are
    rounded to as many bits, each token with a scale of its own; rounding them is part of the
    published criterion, although the schemes here leave them as they are.

    Args:
        parameters: the block's parameters, by name.
        layers: names of the layers that are quantised.
        inputs: inputs ``[tokens, features]`` of some of them, by name.
        scheme: how weights are rounded.
    """
    size, weights = scheme.group_size, 0.0
    for name in layers:
        weights += _squared_error(parameters[f"{name}.weight"].reshape(-1, size), scheme)
    simple = Scheme(scheme.bits, size, "minmax")
    rounded = (_squared_error(value, simple) / len(value) for value in inputs.values())
    return RoundingErrors(weights, sum(rounded))


def _squared_error(rows: Tensor, scheme: Scheme) -> float:
    """Return the squared error of rounding each row with a scale of its own."""
    columns = rows.float().T.contiguous()
    alike = torch.ones(len(columns), device=columns.device)
    scale = choose_scales(columns, alike, scheme, torch.float32)
    change = round_to(columns, scale, scheme.bits) * scale - columns
    return float(change.double().square().sum())
