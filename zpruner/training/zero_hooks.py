"""Hooks of a torch optimizer that keep zeros zero."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zpruner.training.errors import MaskError, NotSparseError, OptimizerError
from zpruner.training.masks import MIN_SPARSITY, warn_of_left_out, zero_masks


class ZeroHooks:
    """Two hooks of an optimizer that keep some weights at zero.

    Before each step, the gradients of these weights are set to zero, so that they add nothing to
    the optimizer's moments. After each step, the weights themselves are set to +0.0, because the
    optimizer may have changed them all the same: it may have momentum from steps before the hooks,
    or mix the gradients of a matrix, as Muon does.

    Args:
        optimizer: the optimizer that takes the steps.
        zeros: pairs of a parameter and a bool tensor, which is True where the parameter stays
            zero. The tensor has the parameter's shape and device.
        left_out: the names of trained matrices with zeros that are not kept.

    Attributes:
        left_out: these names.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        zeros: list[tuple[nn.Parameter, Tensor]],
        left_out: Sequence[str] = (),
    ) -> None:
        self.left_out = tuple(left_out)
        self._zeros = zeros
        self._handles = (
            optimizer.register_step_pre_hook(self._clear_gradients),
            optimizer.register_step_post_hook(self._clear_weights),
        )

    def remove(self) -> None:
        """Remove the hooks; later steps may then fill the zeros."""
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
    model: nn.Module,
    optimizer: Optimizer,
    masks: Mapping[str, Tensor] | None = None,
    min_sparsity: float = MIN_SPARSITY,
) -> ZeroHooks:
    """Keep the zeros of a sparse model in every later step of an optimizer; return the hooks.

    The hooks need a byte per weight of each sparse parameter, and change nothing before the first
    step. If there are several optimizers, call this function for each of them. The gradients of
    the zeros are cleared when a step begins, which is after gradient clipping: the norm used for
    clipping includes these gradients.

    A warning names the trained matrices with zeros that are not kept, and so does the attribute
    ``left_out`` of the hooks. Embeddings, in which the row of a padding token is zero, are not
    named.

    Args:
        model: the model to train, already on the device on which it is trained.
        optimizer: any torch optimizer; it may be wrapped by accelerate.
        masks: a bool mask for each parameter name, True where a weight is kept, as ``zero_masks``
            returns them; by default the masks of the model's current zeros.
        min_sparsity: the smallest share of zeros of a parameter whose zeros are kept, above 0 and
            at most 1; of no effect if masks are given.

    Raises:
        NotSparseError: the optimizer trains no sparse parameter.
        MaskError: a mask has a name that no parameter has, or not the shape of its parameter; or
            ``min_sparsity`` is out of its bounds.
        OptimizerError: the optimizer has no step hooks; DeepSpeed's optimizers have none.
    """
    optimizer = _stepping(optimizer)
    kept = zero_masks(model, min_sparsity) if masks is None else masks
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    zeros = [
        (parameter, ~mask.to(parameter.device))
        for parameter, mask in _pairs(model, kept)
        if id(parameter) in trained
    ]
    if not zeros:
        raise NotSparseError(
            f"the optimizer trains no matrix with a share of zeros of {min_sparsity:g} or more; "
            "pass the pruned model and an optimizer of its weights, or a smaller min_sparsity "
            "(for adapters: zpruner.training.adapters.mask_adapters)"
            if masks is None
            else "the optimizer trains none of the parameters that masks names; pass an optimizer "
            "of the pruned model's weights"
        )
    if masks is not None:
        return ZeroHooks(optimizer, zeros)
    others = [
        (name, parameter)
        for name, parameter in _outside_embeddings(model)
        if id(parameter) in trained and name not in kept
    ]
    return ZeroHooks(optimizer, zeros, warn_of_left_out(others, min_sparsity))


def _outside_embeddings(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield parameters; in most embeddings the row of a padding token is zero, without gradient."""
    seen = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    yield from (item for item in model.named_parameters() if id(item[1]) not in seen)


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
    """Return the optimizer inside any wrappers; hooks on accelerate's wrapper would never run."""
    while (wrapped := getattr(optimizer, "optimizer", None)) is not None:
        optimizer = wrapped
    if not isinstance(optimizer, Optimizer):
        raise OptimizerError(
            f"{type(optimizer).__name__} is not an optimizer of torch and has no hooks for its "
            "steps; train with one of torch.optim"
        )
    return optimizer
