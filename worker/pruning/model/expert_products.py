"""Observing the inputs of experts whose matrices are stored together in 3-D parameters.

Such experts have no modules of their own for hooks: the model's code multiplies by views of a 3-D
parameter. So the parameter is temporarily replaced by an instance of a tensor subclass that reports
each product.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.pruning.base.errors import UnsupportedModelError

OnInputs = Callable[[int, Tensor], None]

# The weight is the second argument, [in, out]. For F.linear it is [out, in].
_PRODUCTS = {torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm}


@contextmanager
def observed_products(
    module: nn.Module, name: str, transposed: bool, on_inputs: OnInputs
) -> Iterator[None]:
    """During the ``with`` body, call ``on_inputs(expert, inputs)`` before each expert's product.

    A product multiplies inputs by an expert's matrix, which is a slice of a 3-D parameter.

    Args:
        module: the module that holds the parameter.
        name: the parameter's name in the module.
        transposed: whether the parameter is ``[experts, in, out]``, not ``[experts, out, in]``.
        on_inputs: called with an expert's index and inputs ``[..., in]`` if the expert gets at
            least one token; may change the expert's matrix in place.

    Raises:
        UnsupportedModelError: raised during the forward if the model's code uses the parameter in
            an unsupported way.
    """
    stack = module.get_parameter(name)
    # The instance's own attributes come before the registered parameters.
    module.__dict__[name] = _ObservedStack.of(stack.detach(), transposed, on_inputs)
    try:
        yield
    finally:
        del module.__dict__[name]


class _ObservedStack(Tensor):
    """A 3-D parameter, or a view of it, that reports the matrix products it is used in."""

    _stack: Tensor
    _transposed: bool
    _on_inputs: OnInputs

    @classmethod
    def of(cls, stack: Tensor, transposed: bool, on_inputs: OnInputs) -> "_ObservedStack":
        """Return an observed tensor that shares the memory of ``stack``."""
        observed = stack.as_subclass(cls)
        observed._stack, observed._transposed = stack, transposed
        observed._on_inputs = on_inputs
        return observed

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` on plain tensors; if ``func`` is a matrix product, report its inputs before.

        A result that is a view of the parameter is observed, too.
        """
        observed = next(value for value in (*args, *(kwargs or {}).values()) if type(value) is cls)
        plain = [_plain(value) for value in args]
        product = _factors(func, plain)
        if product is not None:
            observed._report(*product)
        result = func(*plain, **{key: _plain(value) for key, value in (kwargs or {}).items()})
        if product is not None or _holds_no_tensor(result):
            return result
        return observed._view(result, func)

    def _view(self, result: Any, func: Callable[..., Any]) -> Tensor:
        """Return a view of the parameter as an observed tensor."""
        if not isinstance(result, Tensor) or not _shares_memory(result, self._stack):
            raise _unsupported(func.__name__)
        view = result.as_subclass(_ObservedStack)
        view._stack, view._transposed = self._stack, self._transposed
        view._on_inputs = self._on_inputs
        return view

    def _report(self, inputs: Tensor, weight: Tensor) -> None:
        """Report the inputs ``[..., in]`` of one expert, or of all ``[experts, tokens, in]``."""
        stack = self._stack.mT if self._transposed else self._stack  # [experts, out, in]
        offset = weight.storage_offset() - stack.storage_offset()
        expert = int(offset // max(1, stack.stride(0)))
        expected = stack[expert] if weight.ndim == 2 else stack
        if not _is_same(weight, expected):
            raise _unsupported("another part or orientation")
        if weight.ndim == 2:
            self._report_expert(expert, inputs)
        else:
            for expert, rows in enumerate(inputs.expand(len(stack), -1, -1)):
                # Code that passes all tokens to all experts sets those of other experts to zero.
                self._report_expert(expert, rows[rows.any(-1)])

    def _report_expert(self, expert: int, inputs: Tensor) -> None:
        if inputs.numel():
            self._on_inputs(expert, inputs)


def _factors(func: Callable[..., Any], args: Sequence[Any]) -> tuple[Tensor, Tensor] | None:
    """Return the inputs and the weight ``[..., out, in]`` of a matrix product; else None."""
    if func is functional.linear:
        return args[0], args[1]
    if func in _PRODUCTS:
        return args[0], args[1].mT
    # For `x @ w`, Python calls `w.__rmatmul__(x)`, since w is of a subclass.
    return (args[1], args[0].mT) if func is Tensor.__rmatmul__ else None


def _plain(value: Any) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(Tensor) if isinstance(value, _ObservedStack) else value


def _holds_no_tensor(result: Any) -> bool:
    if isinstance(result, tuple | list):
        return all(map(_holds_no_tensor, result))
    return not isinstance(result, Tensor)


def _shares_memory(tensor: Tensor, other: Tensor) -> bool:
    return tensor.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _is_same(tensor: Tensor, other: Tensor) -> bool:
    same_place = _shares_memory(tensor, other) and tensor.storage_offset() == other.storage_offset()
    return bool(same_place and tensor.shape == other.shape and tensor.stride() == other.stride())


def _unsupported(use: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"this model's code uses the weights of its experts in an unsupported way ({use})",
        "skip them with *.experts.*",
    )
