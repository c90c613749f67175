"""The base class of all kinds of recovery."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Parametrization(nn.Module):
    """Holds trained parameters, and computes the weights of one pruned parameter from them.

    Parameters that require gradients are trained; the others are fixed. Persistent buffers are
    saved with the trained parameters, so that an interrupted training can be resumed.
    """

    def forward(self) -> Tensor:
        """Return the weights in fp32, in the parameter's layout, with the pruned ones at zero."""
        raise NotImplementedError

    def mask_gradients(self) -> None:
        """Set the gradients of weights that must stay zero to 0, before each optimizer step."""

    def add_decay(self, step: int, steps: int) -> None:
        """Add a weight decay of this kind to the gradients, after they have been clipped.

        Args:
            step: index of the step, from 0.
            steps: the total number of steps.
        """

    def after_step(self, step: int) -> None:
        """Update buffers, such as a mask, from the new parameters after step ``step``, from 0."""


def computed_again(compute: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """Return ``compute(*parameters)``; the backward computes it again.

    This saves memory: the intermediate results, several matrices as large as the weights, are not
    kept for the backward.
    """
    result: Tensor = checkpoint(compute, *parameters, use_reentrant=False, preserve_rng_state=False)
    return result
