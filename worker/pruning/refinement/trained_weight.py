"""A parameter of a block while it is trained, and its best state so far."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from worker.pruning.base.masking import apply_mask_, count_zeros
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer


class TrainedWeight:
    """One parameter of a block while it is trained.

    The optimizer changes an fp32 master copy. In a matrix, the gradient is set to 0 for weights
    that are zero, and for those of layers that are not trained. AdamW runs without weight decay, so
    it does not change these weights.

    Args:
        parameter: the parameter that the forward uses.
        stored: the same parameter in its stored dtype, on the host; holds the best state so far.
        layers: the layers in the parameter that are trained; empty for a norm, which is trained
            as a whole.

    Attributes:
        master: the fp32 copy that the optimizer changes, on the device of the parameter.
    """

    def __init__(
        self, parameter: nn.Parameter, stored: Tensor, layers: Sequence[LinearLayer]
    ) -> None:
        self._parameter, self._stored = parameter, stored
        self.master = stored.to(parameter.device, torch.float32, copy=True)
        self._keep = _kept(self.master, layers) if layers else None
        self._zeros = count_zeros(stored)
        self.use_master()
        parameter.requires_grad_(True)

    def use_master(self) -> None:
        """Let the forward compute with the master."""
        self._use(self.master)

    def use_rounded(self) -> None:
        """Let the forward compute with the weights as they would be stored."""
        self._use(self._rounded())

    def store(self) -> None:
        """Store the current state as the best one."""
        self._stored.copy_(self._rounded())

    def restore(self) -> None:
        """End the training, and let the forward compute with the best state."""
        self._parameter.requires_grad_(False)
        self._use(self._stored.to(self._parameter.device))

    def take_gradient(self, ranks: Ranks, scale: float) -> None:
        """Set the master's gradient to the sum of the ranks' gradients of the parameter.

        Weights that are not trained get a gradient of 0. The parameter's own gradient is cleared.

        Args:
            ranks: the ranks, each with the gradient of its own windows.
            scale: the factor by which the loss was multiplied; the sum is divided by it.
        """
        own, self._parameter.grad = self._parameter.grad, None
        gradient = torch.zeros_like(self.master) if own is None else own.float()
        gradient = ranks.all_reduce(gradient).div_(scale)
        if self._keep is not None:
            apply_mask_(gradient, self._keep)
        self.master.grad = gradient

    def _use(self, values: Tensor) -> None:
        self._parameter.data = values.to(self._parameter.dtype)

    def _rounded(self) -> Tensor:
        """Return the master in the stored dtype; no kept weight of a matrix becomes zero."""
        values = self.master.to(self._stored.dtype)
        if self._keep is not None and count_zeros(values) > self._zeros:
            values.masked_fill_((values == 0) & self._keep, torch.finfo(values.dtype).tiny)
        return values


def _kept(master: Tensor, layers: Sequence[LinearLayer]) -> Tensor:
    """Return a bool mask of the entries that are trained: these layers' nonzero weights."""
    keep = torch.zeros_like(master, dtype=torch.bool)
    for layer in layers:
        layer.oriented(keep).copy_(layer.oriented(master) != 0)
    return keep
