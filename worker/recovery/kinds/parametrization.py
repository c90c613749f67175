"""What all kinds have in common."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Parametrization(nn.Module):
    """The trained parameters of one pruned parameter, from which its weights are computed.

    Trained are those of its parameters that require gradients. Its persistent buffers are stored
    with them when training is interrupted.
    """

    def forward(self) -> Tensor:
        """Return the weights in fp32, in the layout of the checkpoint, with all zeros in place."""
        raise NotImplementedError

    def mask_gradients(self) -> None:
        """Remove the gradients of weights that stay zero; called before each step."""

    def before_step(self, step: int, steps: int, rate: float) -> None:
        """Change the parameters in a way that the optimizer does not.

        Args:
            step: index of the step, from 0.
            steps: number of all steps.
            rate: the learning rate of this step.
        """

    def after_step(self, step: int) -> None:
        """Update what follows from the new parameters."""


def computed_again(compute: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """Return ``compute(*parameters)``, which the backward computes again.

    It would keep a few matrices as large as the weights, for parameters that are far smaller.
    """
    result: Tensor = checkpoint(compute, *parameters, use_reentrant=False, preserve_rng_state=False)
    return result
