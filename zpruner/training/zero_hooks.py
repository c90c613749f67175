"""Hooks of a torch optimizer that keep zeros zero."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zpruner.training.errors import MaskError, NotSparseError, OptimizerError
from zpruner.training.masks import zero_masks


class ZeroHooks:
    """Two hooks of an optimizer that keep some weights at zero.

    Before each step the gradients of these weights are cleared, so that their moments stay zero.
    After it the weights are set to +0.0, whatever the optimizer made of them: it may have momentum
    from earlier steps, or mix the gradients of a matrix as Muon does.

    Args:
        optimizer: takes the steps.
        zeros: parameters and, for each, a bool tensor of its shape and on its device, True where
            it stays zero.
    """

    def __init__(self, optimizer: Optimizer, zeros: list[tuple[nn.Parameter, Tensor]]) -> None:
        self._zeros = zeros
        self._handles = (
            optimizer.register_step_pre_hook(self._clear_gradients),
            optimizer.register_step_post_hook(self._clear_weights),
        )

    def remove(self) -> None:
        """Take the hooks off: later steps fill the zeros."""
        for handle in self._handles:
            handle.remove()

    def _clear_gradients(self, *_: object) -> None:
        for parameter, zero in self._zeros:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zero, 0)

    @torch.no_grad()
    def _clear_weights(self, *_: object) -> None:
        for parameter, zero in self._zeros:
            parameter.masked_fill_(zero, 0)


def keep_zeros(
    model: nn.Module, optimizer: Optimizer, masks: Mapping[str, Tensor] | None = None
) -> ZeroHooks:
    """Keep the zeros of a sparse model in every later step of an optimizer.

    It needs a byte per sparse weight, and changes nothing before the first step. With several
    optimizers, call it for each. Gradients are cleared in the step, hence after they were clipped:
    their norm includes those of the zeros.

    Args:
        model: the model that is trained, on the device on which it is trained.
        optimizer: any optimizer of torch, also wrapped by accelerate.
        masks: bool by parameter name, True where a weight is kept, as ``zero_masks`` returns them;
            by default those of the model as it is.

    Raises:
        NotSparseError: the optimizer trains no sparse parameter.
        MaskError: a mask has the name or the shape of no parameter.
        OptimizerError: the optimizer has no hooks, such as DeepSpeed's.
    """
    optimizer = _stepping(optimizer)
    masks = zero_masks(model) if masks is None else masks
    trained = {id(one) for group in optimizer.param_groups for one in group["params"]}
    zeros = [
        (parameter, ~mask.to(parameter.device))
        for parameter, mask in _pairs(model, masks)
        if id(parameter) in trained
    ]
    if not zeros:
        raise NotSparseError(
            "the optimizer trains no sparse parameter; pass the pruned model and an optimizer of "
            "its weights (for adapters: zpruner.training.adapters.mask_adapters)"
        )
    return ZeroHooks(optimizer, zeros)


def _pairs(model: nn.Module, masks: Mapping[str, Tensor]) -> list[tuple[nn.Parameter, Tensor]]:
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise MaskError(f"masks has {name!r}, the model has not; take them from this model")
        if mask.shape != parameters[name].shape:
            raise MaskError(
                f"the mask of {name!r} has the shape {tuple(mask.shape)}, the parameter "
                f"{tuple(parameters[name].shape)}; take the masks from this model"
            )
    return [(parameters[name], mask) for name, mask in masks.items()]


def _stepping(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer that takes the steps: hooks of accelerate's wrapper never run."""
    while (wrapped := getattr(optimizer, "optimizer", None)) is not None:
        optimizer = wrapped
    if not isinstance(optimizer, Optimizer):
        raise OptimizerError(
            f"{type(optimizer).__name__} is not an optimizer of torch and has no hooks for its "
            "steps; train with one of torch.optim"
        )
    return optimizer
