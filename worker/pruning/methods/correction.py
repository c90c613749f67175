"""Correcting the weight that a solver approximates, to make up for losses of earlier layers."""

from torch import Tensor

from worker.pruning.stats.gram import Gram


def corrected_weight(
    weight: Tensor,
    gram: Gram,
    cross: Tensor,
    share: float,
    damping: float = 0.01,
    dense: Tensor | None = None,
) -> Tensor:
    """Return the weight that a solver should approximate to make up for losses of earlier layers.

    X̂ are the inputs in the pruned model, and X those in the dense model. The target outputs are
    Y = (1 − c) X̂Wᵀ + c XWᵀ. The sparse weights S should minimise the sum
    ‖X̂Sᵀ − Y‖² + λ‖S − W‖². With H = X̂ᵀX̂ and C = XᵀX̂, the sum is smallest at the dense weight
    V = W + c W (C − H) (H + λI)⁻¹. For any other S, the sum is larger by
    ‖X̂(S − V)ᵀ‖² + λ‖S − V‖². A solver that is given V in place of W minimises this difference, and
    so the sum.

    If W has been pruned before, the dense model's outputs are those of its own weight D: then
    Y = (1 − c) X̂Wᵀ + c XDᵀ and V = W + c (DC − WH) (H + λI)⁻¹.

    Args:
        weight: ``[out, in]`` fp32, W.
        gram: H, the Gram matrix of the inputs in the pruned model.
        cross: ``[in, in]`` fp32, C.
        share: c, in ``[0, 1]``. A larger share brings the outputs nearer to the dense model on the
            calibration tokens, and fits the weights more to these tokens.
        damping: the smallest λ to try, as a share of the mean of H's diagonal.
        dense: ``[out, in]`` fp32, D; None if it is W.

    Returns:
        ``[out, in]`` fp32, V.

    Raises:
        SolverFailedError: H + λI is not positive definite for any λ that is tried.
    """
    factor = gram.inverse_cholesky(damping)  # UᵀU = (H + λI)⁻¹
    if dense is None:
        missing = weight @ (cross - gram.matrix)
    else:
        missing = dense @ cross - weight @ gram.matrix
    return weight.addmm(missing @ factor.T, factor, alpha=share)
