"""The decoder blocks of any model, and a way to run its code around them."""

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
    """What a model passes to one block beside the hidden state."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def equals(self, other: "BlockArguments") -> bool:
        """Whether both hold equal tensors and values."""
        return _same((self.args, self.kwargs), (other.args, other.kwargs))

    def contains(self, value: object) -> bool:
        """Whether that very object is among them, at any depth."""
        return any(part is value for part in self._parts())

    @property
    def has_containers(self) -> bool:
        """Whether dicts or lists are among them, in which blocks could leave things."""
        return any(isinstance(part, _CONTAINERS) for part in self._parts())

    def _parts(self) -> Iterator[object]:
        return parts((*self.args, *self.kwargs.values()))

    def call(self, block: nn.Module, hidden: Tensor) -> Tensor:
        """Run the block on ``hidden`` ``[batch, tokens, hidden]`` and return its hidden state.

        Blocks return a tensor, or a tuple that starts with it, by family and version. What one
        leaves in a container, no other run finds.
        """
        kwargs = {name: _fresh(value) for name, value in self.kwargs.items()}
        output = block(hidden, *map(_fresh, self.args), **kwargs)
        result: Tensor = output[0] if isinstance(output, tuple) else output
        return result


def find_blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return the name and the list of the decoder blocks.

    They are the largest ``ModuleList`` whose members all hold linear layers; nothing depends on a
    family's name. A list inside a block, such as one of experts, is never taken for it.

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
            f"{type(model).__name__} has no list of decoder blocks that hold linear layers; "
            "give a decoder such as Llama, OPT, GPT-2, Qwen, Gemma or GPT-NeoX"
        )
    return max(outermost, key=lambda item: _weight_count(item[1]))


@contextmanager
def stubbed(blocks: nn.ModuleList, stub: Callable[[int], Stub]) -> Iterator[None]:
    """Run ``stub(i)`` in place of block i's forward.

    Only ``forward`` is replaced: model code may read other attributes of a block.
    """
    for index, block in enumerate(blocks):
        block.forward = stub(index)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def split_hidden(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, BlockArguments]:
    """Part a block's hidden state from its other arguments."""
    if args:
        return args[0], BlockArguments(args[1:], kwargs)
    kwargs = dict(kwargs)
    return kwargs.pop("hidden_states"), BlockArguments((), kwargs)


def parts(value: object) -> Iterator[object]:
    """Yield a value and all that it holds, at any depth."""
    yield value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    for part in value if isinstance(value, tuple | list) else ():
        yield from parts(part)


def _fresh(value: Any) -> Any:
    return copy(value) if isinstance(value, _CONTAINERS) else value


def _weight_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one is other or bool(one == other)
