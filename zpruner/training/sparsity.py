"""Comparison of a model with an earlier version, to find tensors that have lost zeros."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from zpruner.training.errors import ComparisonError, NotSparseError
from zpruner.training.masks import check_min_sparsity, matrix_sparsity
from zpruner.training.safetensors_folder import SafetensorsFolder

Tensors = nn.Module | Mapping[str, Tensor] | str | os.PathLike[str]
"""A model: a module, a state dict or masks, or a folder with safetensors files."""


@dataclass(frozen=True)
class LostSparsity:
    """A tensor that has lost zeros.

    Attributes:
        name: the tensor's name.
        before: the share of zeros in the earlier version, 0 to 1.
        after: the share of zeros in the later version.
        lost: the number of weights that are zero in the earlier version only.
    """

    name: str
    before: float
    after: float
    lost: int


def compare_sparsity(
    before: Tensors, after: Tensors, min_sparsity: float | None = None
) -> list[LostSparsity]:
    """Return the tensors of ``before`` that have lost zeros in ``after``.

    Zeros are compared by position: a tensor with the same number of zeros at other positions has
    lost zeros. Folders are read tensor by tensor, so the models need not fit into memory.

    Args:
        before: the sparse model, or its ``zero_masks``. Do not pass the state dict of a module that
            is trained afterwards: training also changes its state dict.
        after: the same model after training. It may have other dtypes.
        min_sparsity: above 0, at most 1. Only the tensors of ``before`` that have two dimensions or
            more and at least this share of zeros are compared; by default all that have a zero.

    Returns:
        The tensors that lost zeros, in the order of ``before``; empty if every zero was kept.

    Raises:
        NotSparseError: no tensor of ``before`` is sparse.
        ComparisonError: a compared tensor is missing in ``after``, has another shape there, or
            shares its memory with ``before``; or a folder contains no safetensors file.
        MaskError: ``min_sparsity`` is out of its bounds.
    """
    if min_sparsity is not None:
        check_min_sparsity(min_sparsity)
    old, new = _tensors(before), _tensors(after)
    losses, compared = [], 0
    for name in old:
        tensor = old[name].detach()
        share = matrix_sparsity(tensor)
        if share < (min_sparsity or 0) or share == 0:
            continue
        compared += 1
        other = _counterpart(name, tensor, new)
        if lost := int(((tensor == 0) & (other != 0)).count_nonzero()):
            losses.append(LostSparsity(name, share, matrix_sparsity(other), lost))
    if not compared:
        wanted = f"a share of zeros of {min_sparsity:g} or more" if min_sparsity else "a zero"
        raise NotSparseError(f"no matrix of before has {wanted}; pass the pruned model first")
    return losses


def _counterpart(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the tensor of this name, on the device of ``tensor``."""
    if name not in tensors:
        raise ComparisonError(
            f"after has no tensor {name!r}; pass the model that was trained, with its adapters "
            "merged and under the names of before"
        )
    other = tensors[name].detach()
    if other.shape != tensor.shape:
        raise ComparisonError(
            f"{name!r} has the shape {tuple(tensor.shape)} before and {tuple(other.shape)} after; "
            "pass the same model, trained"
        )
    if other.data_ptr() == tensor.data_ptr():
        raise ComparisonError(
            f"{name!r} is the same memory before and after, so that no loss would show; "
            "pass zero_masks(model), taken before training, or the pruned model's folder"
        )
    return other.to(tensor.device)


def _tensors(model: Tensors) -> Mapping[str, Tensor]:
    if isinstance(model, nn.Module):
        state: dict[str, Tensor] = model.state_dict()
        return state
    return model if isinstance(model, Mapping) else SafetensorsFolder(Path(model))
