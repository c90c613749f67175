"""Masks that show which weights of a sparse model are zero."""

import warnings
from collections.abc import Iterable

from torch import Tensor, nn

from zpruner.training.errors import MaskError

MIN_SPARSITY = 0.05
"""A parameter with at least this share of zeros is sparse; dense ones have hardly any zeros."""
_MOST_NAMED = 5


def zero_masks(model: nn.Module, min_sparsity: float = MIN_SPARSITY) -> dict[str, Tensor]:
    """Return the mask of each sparse parameter: False where a weight is zero, True elsewhere.

    A parameter is sparse if it has two dimensions or more and its share of zeros, including -0.0,
    is at least ``min_sparsity``. But a parameter that contains only zeros does not count as sparse,
    because it may be untrained, like the matrix B of a new LoRA adapter.

    The masks are a snapshot and take a byte per weight. Later, ``compare_sparsity(masks, model)``
    shows which zeros were lost.

    Args:
        model: any module.
        min_sparsity: the smallest share of zeros of a sparse parameter, above 0 and at most 1.

    Returns:
        A bool mask for each parameter name, with the shape and on the device of the parameter.
        Names are those of ``model.named_parameters()``; a tied parameter appears once.

    Raises:
        MaskError: ``min_sparsity`` is out of its bounds.
    """
    check_min_sparsity(min_sparsity)
    return {
        name: parameter.detach() != 0
        for name, parameter in model.named_parameters()
        if min_sparsity <= matrix_sparsity(parameter) < 1
    }


def warn_of_left_out(left_out: Iterable[tuple[str, Tensor]], min_sparsity: float) -> list[str]:
    """Warn of matrices whose zeros a training may fill; return their names.

    A matrix is named if some of its weights are zero, but not all of them.

    Args:
        left_out: names and values of the parameters whose zeros nothing keeps.
        min_sparsity: the share of zeros from which on the zeros of a matrix are kept.
    """
    shares = {name: matrix_sparsity(weight) for name, weight in left_out}
    matrices = {name: share for name, share in shares.items() if 0 < share < 1}
    if matrices:
        named = [f"{name} ({share:.2%} zeros)" for name, share in matrices.items()]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        warnings.warn(
            f"the zeros of {', '.join(named[:_MOST_NAMED])}{more} may be lost, because each has a "
            f"share of zeros below min_sparsity, {min_sparsity:g}; give a smaller min_sparsity to "
            "keep them",
            stacklevel=3,
        )
    return list(matrices)


def matrix_sparsity(tensor: Tensor) -> float:
    """Return the share of zeros in a tensor, from 0 to 1; -0.0 counts as zero.

    Args:
        tensor: any shape and dtype.

    Returns:
        The share; 0 for a vector, for an empty tensor, and for a tensor on the meta device, which
        has no values.
    """
    if tensor.ndim < 2 or tensor.numel() == 0 or tensor.is_meta:
        return 0.0
    return 1 - int(tensor.count_nonzero()) / tensor.numel()


def check_min_sparsity(min_sparsity: float) -> None:
    """Check that a threshold is above 0 and at most 1.

    Raises:
        MaskError: the threshold is out of these bounds.
    """
    if not 0 < min_sparsity <= 1:
        raise MaskError(
            f"min_sparsity is {min_sparsity}; choose a share of zeros above 0 and at most 1"
        )
