"""Finding a model's decoder blocks, and replacing their forward passes."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.linear_layers import linear_layers

Stub = Callable[..., Any]
_CONTAINERS = (MutableMapping, MutableSequence)


@dataclass(frozen=True)
class BlockArguments:
    """The arguments of one block's forward, without the hidden state."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def equals(self, other: "BlockArguments") -> bool:
        """Return whether both contain equal tensors and values."""
        return _same((self.args, self.kwargs), (other.args, other.kwargs))

    def contains(self, value: object) -> bool:
        """Return whether ``value`` itself, not an equal value, is in the arguments at any depth."""
        return any(argument is value for argument in self._values())

    def cut(self, tokens: int, count: int) -> "BlockArguments":
        """Return the arguments for the first ``count`` of a window's ``tokens``."""
        kwargs = {name: _cut(value, tokens, count) for name, value in self.kwargs.items()}
        return BlockArguments(_cut(self.args, tokens, count), kwargs)

    @property
    def has_containers(self) -> bool:
        """Whether the arguments contain dicts or lists, which a block could modify."""
        return any(isinstance(value, _CONTAINERS) for value in self._values())

    def _values(self) -> Iterator[object]:
        return nested_values((*self.args, *self.kwargs.values()))

    def call(self, block: nn.Module, hidden: Tensor) -> Tensor:
        """Run the block on ``hidden [batch, tokens, hidden]`` and return its output hidden states.

        Depending on the family, blocks return a tensor or a tuple that starts with the tensor.
        Arguments that are dicts or lists are copied, so that no call sees what another call has
        stored in them.
        """
        kwargs = {name: _copied(value) for name, value in self.kwargs.items()}
        output = block(hidden, *map(_copied, self.args), **kwargs)
        result: Tensor = output[0] if isinstance(output, tuple) else output
        return result


def find_blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return the name of the list of decoder blocks, and the list itself.

    Every ``ModuleList`` whose members all contain linear layers is considered, except lists inside
    such a list, such as a block's experts. Of these, the list with the most weights is returned.
    The search uses no names that are specific to a model family.

    Raises:
        UnsupportedModelError: the model has no such list.
    """
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) and all(map(linear_layers, module))
    ]
    outermost = [
        (name, module)
        for name, module in lists
        if not any(name.startswith(f"{outer}.") for outer, _ in lists)
    ]
    if not outermost:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no list of decoder blocks with linear layers",
            "give a decoder such as Llama, OPT, GPT-2, Qwen, Gemma or GPT-NeoX",
        )
    return max(outermost, key=lambda item: _weight_count(item[1]))


@contextmanager
def stubbed(blocks: nn.ModuleList, stub: Callable[[int], Stub]) -> Iterator[None]:
    """Replace the forward of block i by ``stub(i)`` for the body of the ``with`` statement.

    The blocks themselves stay, because model code may read their other attributes.
    """
    for index, block in enumerate(blocks):
        block.forward = stub(index)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def split_hidden(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, BlockArguments]:
    """Split a block's arguments into the hidden state and the rest."""
    if args:
        return args[0], BlockArguments(args[1:], kwargs)
    kwargs = dict(kwargs)
    return kwargs.pop("hidden_states"), BlockArguments((), kwargs)


def nested_values(value: object) -> Iterator[object]:
    """Yield a value, and all values in its mappings, tuples and lists, at any depth."""
    yield value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    for item in value if isinstance(value, tuple | list) else ():
        yield from nested_values(item)


def _copied(value: Any) -> Any:
    return copy(value) if isinstance(value, _CONTAINERS) else value


def _cut(value: Any, tokens: int, count: int) -> Any:
    """Cut each dimension of ``tokens`` in the tensors of a value to ``count``."""
    if isinstance(value, Tensor):
        for dim in range(value.ndim):
            if value.shape[dim] == tokens:
                value = value.narrow(dim, 0, count)
        return value
    if isinstance(value, dict):
        return {key: _cut(item, tokens, count) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_cut(item, tokens, count) for item in value)
    return value


def _weight_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _same(value: object, other: object) -> bool:
    if isinstance(value, Tensor) and isinstance(other, Tensor):
        return value.shape == other.shape and torch.equal(value, other)
    if isinstance(value, tuple | list) and isinstance(other, tuple | list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    return value is other or bool(value == other)
