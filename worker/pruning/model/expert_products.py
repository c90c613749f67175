"""Seeing which expert a matrix product is with, whatever code computes it.

The experts of a mixture lie in one 3-D parameter and have no module of their own to hook: the
model's code takes views of the parameter and multiplies by them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.pruning.base.errors import UnsupportedModelError

OnInputs = Callable[[int, Tensor], None]

# With the inputs first and the weight [in, out] second; F.linear's is [out, in].
_PRODUCTS = {torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm}
_UNKNOWN = (
    "this model's code uses the weights of its experts in a way that is not understood ({}); "
    "skip them with *.experts.*"
)


@contextmanager
def observed_products(
    module: nn.Module, name: str, transposed: bool, see: OnInputs
) -> Iterator[None]:
    """Call ``see(expert, inputs)`` before each product with a matrix of a 3-D parameter.

    Args:
        module: what holds the parameter.
        name: its name there.
        transposed: whether it is ``[experts, in, out]`` rather than ``[experts, out, in]``.
        see: gets the inputs ``[tokens, in]`` where there are any; the matrix may be changed in
            place meanwhile.

    Raises:
        UnsupportedModelError: from within the forward, where it multiplies in an unknown way.
    """
    stack = module.get_parameter(name)
    # The instance's own attributes come before the registered parameters.
    module.__dict__[name] = _Watched.of(stack.detach(), transposed, see)
    try:
        yield
    finally:
        del module.__dict__[name]


class _Watched(Tensor):
    """A 3-D parameter, or a view of it, that reports the products it takes part in."""

    _stack: Tensor
    _transposed: bool
    _see: OnInputs

    @classmethod
    def of(cls, stack: Tensor, transposed: bool, see: OnInputs) -> "_Watched":
        """Return the parameter's values as one that is watched."""
        watched = stack.as_subclass(cls)
        watched._stack, watched._transposed, watched._see = stack, transposed, see
        return watched

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Report a product, then compute with plain tensors; views stay watched."""
        watched = next(value for value in (*args, *(kwargs or {}).values()) if type(value) is cls)
        plain = [_plain(value) for value in args]
        product = _factors(func, plain)
        if product is not None:
            watched._report(*product)
        result = func(*plain, **{key: _plain(value) for key, value in (kwargs or {}).items()})
        if product is not None or _holds_no_tensor(result):
            return result
        return watched._view(result, func)

    def _view(self, result: Any, func: Callable[..., Any]) -> Tensor:
        """Return a result that shares our memory as one that is watched too."""
        if not isinstance(result, Tensor) or not _shares_memory(result, self._stack):
            raise UnsupportedModelError(_UNKNOWN.format(func.__name__))
        view = result.as_subclass(_Watched)
        view._stack, view._transposed, view._see = self._stack, self._transposed, self._see
        return view

    def _report(self, inputs: Tensor, weight: Tensor) -> None:
        """Report the inputs ``[..., in]`` of one matrix, or ``[experts, tokens, in]`` of all."""
        stack = self._stack.mT if self._transposed else self._stack  # [experts, out, in]
        offset = weight.storage_offset() - stack.storage_offset()
        expert = int(offset // max(1, stack.stride(0)))
        expected = stack[expert] if weight.ndim == 2 else stack
        if not _is_same(weight, expected):
            raise UnsupportedModelError(_UNKNOWN.format("another part or orientation"))
        if weight.ndim == 2:
            self._tell(expert, inputs)
        else:
            for expert, rows in enumerate(inputs.expand(len(stack), -1, -1)):
                # Where all experts are given all tokens, those not meant for one are zero.
                self._tell(expert, rows[rows.any(-1)])

    def _tell(self, expert: int, inputs: Tensor) -> None:
        if inputs.numel():
            self._see(expert, inputs)


def _factors(func: Callable[..., Any], args: Sequence[Any]) -> tuple[Tensor, Tensor] | None:
    """Return the inputs and the weight ``[..., out, in]`` if this is a product of them."""
    if func is functional.linear:
        return args[0], args[1]
    if func in _PRODUCTS:
        return args[0], args[1].mT
    # An operand of a subclass is asked first: `x @ w` arrives as `w.__rmatmul__(x)`.
    return (args[1], args[0].mT) if func is Tensor.__rmatmul__ else None


def _plain(value: Any) -> Any:
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(Tensor) if isinstance(value, _Watched) else value


def _holds_no_tensor(result: Any) -> bool:
    if isinstance(result, tuple | list):
        return all(map(_holds_no_tensor, result))
    return not isinstance(result, Tensor)


def _shares_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _is_same(one: Tensor, other: Tensor) -> bool:
    same_place = _shares_memory(one, other) and one.storage_offset() == other.storage_offset()
    return bool(same_place and one.shape == other.shape and one.stride() == other.stride())
