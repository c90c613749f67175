"""Which weights of a sparse model are zero."""

from torch import Tensor, nn

from zpruner.training.errors import MaskError

MIN_SPARSITY = 0.05
"""From this share of zeros on a weight counts as sparse; a dense one has hardly any."""


def zero_masks(model: nn.Module, min_sparsity: float = MIN_SPARSITY) -> dict[str, Tensor]:
    """Return the mask of each sparse parameter: True where a weight is kept, False where zero.

    A parameter is sparse if it has two dimensions or more and at least the share ``min_sparsity``
    of it is zero; -0.0 is zero, too. One that is zero as a whole is not sparse: it has not been
    trained yet, such as the matrix B of a new LoRA adapter.

    The masks are a snapshot, of a byte per weight: ``compare_sparsity(masks, model)`` shows later
    what was lost.

    Args:
        model: any module.
        min_sparsity: above 0, at most 1.

    Returns:
        By the names of ``model.named_parameters()``, a tied parameter once: bool, of the
        parameter's shape and on its device.

    Raises:
        MaskError: ``min_sparsity`` is out of its bounds.
    """
    check_min_sparsity(min_sparsity)
    return {
        name: parameter.detach() != 0
        for name, parameter in model.named_parameters()
        if min_sparsity <= matrix_sparsity(parameter) < 1
    }


def matrix_sparsity(tensor: Tensor) -> float:
    """Return the share of zeros, 0 to 1, -0.0 included.

    Args:
        tensor: any shape and dtype.

    Returns:
        0 for a vector, an empty tensor, and one on the meta device, which has no values.
    """
    if tensor.ndim < 2 or tensor.numel() == 0 or tensor.is_meta:
        return 0.0
    return 1 - int(tensor.count_nonzero()) / tensor.numel()


def check_min_sparsity(min_sparsity: float) -> None:
    """Check a threshold.

    Raises:
        MaskError: it is not above 0 and at most 1.
    """
    if not 0 < min_sparsity <= 1:
        raise MaskError(
            f"min_sparsity is {min_sparsity}; choose a share of zeros above 0 and at most 1"
        )
