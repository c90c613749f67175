"""Merging norms and rotations into the weights of a model; its outputs stay the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from worker.pruning.rotation.hadamard import Rotation
from worker.pruning.rotation.structure import OUTPUTS, READERS, VALUES, WRITERS, Rotatable

_PIECE = 1 << 22  # numbers of a large matrix that are rotated at a time


def rotated_block(
    parameters: Mapping[str, Tensor],
    parts: Rotatable,
    residual: Rotation | None = None,
    values: Rotation | None = None,
) -> dict[str, Tensor]:
    """Return a block whose norms have no gain, and whose layers are rotated.

    The gains of a norm are multiplied into the layers that read its outputs. With the rotation R₁
    of the residual stream, these layers W become W R₁, and those that write to it R₁ᵀW. With the
    rotation R₂ of each head's values, the projection to values becomes R₂ᵀW and that of the outputs
    W R₂ (RoSTE, arXiv:2502.09003). Attention averages a head's values, whatever their basis is.

    Args:
        parameters: the block's parameters, by name, in their stored dtype; not modified.
        parts: how the model is built.
        residual: R₁; None for none.
        values: R₂; None for none.
    """
    changed: dict[str, Tensor] = {}
    for norm, readers in READERS.items():
        weight = parameters[f"{norm}.weight"]
        changed[f"{norm}.weight"] = torch.full_like(weight, 1 - parts.offset)
        for name in readers:
            folded = parameters[f"{name}.weight"].float() * (weight.float() + parts.offset)
            changed[f"{name}.weight"] = folded if residual is None else residual.of_rows(folded)
    if residual is not None:
        for name in _weights_and_biases(WRITERS, parameters):
            changed[name] = _of_outputs(residual, parameters[name].float())
    if values is not None:
        for name in _weights_and_biases((VALUES,), parameters):
            changed[name] = _of_outputs(values, changed.get(name, parameters[name]))
        outputs = f"{OUTPUTS}.weight"
        changed[outputs] = values.of_rows(changed.get(outputs, parameters[outputs]))
    stored = {name: value.to(parameters[name].dtype) for name, value in changed.items()}
    return dict(parameters) | stored


def folded_head(weight: Tensor, gain: Tensor, rotation: Rotation) -> Tensor:
    """Return the head's weight with the last norm's gain, rotated; in its own dtype.

    Args:
        weight: ``[vocabulary, hidden]``.
        gain: ``[hidden]`` fp32.
        rotation: that of the residual stream.
    """
    return _by_pieces(weight, lambda rows: rotation.of_rows(rows.float() * gain))


def rotated_embeddings(weight: Tensor, rotation: Rotation) -> Tensor:
    """Return embeddings ``[vocabulary, hidden]``, rotated; in their own dtype."""
    return _by_pieces(weight, rotation.of_rows)


def _weights_and_biases(layers: Iterable[str], parameters: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the names of the parameters of these layers."""
    for layer in layers:
        yield from (name for name in (f"{layer}.weight", f"{layer}.bias") if name in parameters)


def _of_outputs(rotation: Rotation, value: Tensor) -> Tensor:
    """Return a weight ``[out, in]``, or a bias ``[out]``, whose outputs are rotated."""
    return rotation.of_rows(value) if value.ndim == 1 else rotation.of_columns(value)


def _by_pieces(weight: Tensor, rotate: Callable[[Tensor], Tensor]) -> Tensor:
    """Rotate the rows of a large matrix, so that only a piece of it is in fp32 at a time."""
    result = torch.empty_like(weight)
    rows = max(1, _PIECE // weight.shape[1])
    for start in range(0, len(weight), rows):
        piece = slice(start, start + rows)
        result[piece] = rotate(weight[piece])
    return result
