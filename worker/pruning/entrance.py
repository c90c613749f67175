"""From token ids to the first block: embeddings, and what each block is called with."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from worker.pruning.activations import Activations
from worker.pruning.blocks import Arguments, Stub, split_hidden, stubbed
from worker.pruning.errors import UnsupportedModelError
from worker.pruning.skeleton import Skeleton


class _LastBlockReachedError(Exception):
    """Ends a forward whose head is not wanted."""


class Entrance:
    """The model's own code up to its blocks, and the arguments it gave to each of them.

    A block's arguments (masks, rotary embeddings) may differ from block to block, as in models
    with hybrid attention, and with the batch's shape; they must not depend on the tokens.

    Attributes:
        returns_tuple: whether blocks return a tuple; a stub has to answer in the same form.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._arguments: dict[torch.Size, list[Arguments]] = {}
        self.returns_tuple = False

    def embed(self, batches: Iterable[Tensor], keep: Callable[[Tensor], None]) -> None:
        """Give ``keep`` the first block's input ``[batch, tokens, hidden]`` of each batch."""
        for ids in batches:
            hidden, arguments = self._record(ids)
            known = self._arguments.setdefault(ids.shape, arguments)
            if not all(one.same_as(other) for one, other in zip(known, arguments, strict=True)):
                raise UnsupportedModelError(
                    f"{type(self._skeleton.model).__name__} calls its blocks with arguments that "
                    "depend on the tokens; it cannot be swept block by block"
                )
            keep(hidden)

    def learn_form(self) -> None:
        """Find out what blocks return, by running the first one on two tokens."""
        ids = torch.zeros(1, 2, dtype=torch.long)
        hidden, arguments = self._record(ids, until=0)
        with self._skeleton.filled_block(0, self._skeleton.read_block(0)) as block:
            output = block(hidden, *arguments[0].args, **arguments[0].kwargs)
        self.returns_tuple = isinstance(output, tuple)

    def call(self, block: torch.nn.Module, index: int, hidden: Tensor) -> Tensor:
        """Run block ``index`` on ``hidden`` as the model would."""
        arguments = self._arguments[hidden.shape[:2]][index]
        return arguments.call(block, hidden.to(self._skeleton.device))

    def advance(self, block: torch.nn.Module, index: int, states: Activations) -> None:
        """Replace every batch by what block ``index`` makes of it."""
        for batch, hidden in enumerate(states):
            states[batch] = self.call(block, index, hidden)

    def answer(self, hidden: Tensor) -> Any:
        """Return the hidden state in the form in which this model's blocks return it."""
        return (hidden,) if self.returns_tuple else hidden

    def _record(self, ids: Tensor, until: int | None = None) -> tuple[Tensor, list[Arguments]]:
        """Run the model's code up to block ``until``, the last one by default."""
        last = len(self._skeleton.blocks) - 1 if until is None else until
        first: list[Tensor] = []
        arguments: list[Arguments] = []

        def stub(index: int) -> Stub:
            def record(*args: Any, **kwargs: Any) -> Any:
                hidden, rest = split_hidden(args, kwargs)
                first.append(hidden)
                arguments.append(rest)
                if index == last:
                    raise _LastBlockReachedError
                return self.answer(hidden)

            return record

        with stubbed(self._skeleton.blocks, stub):
            try:
                self._skeleton.model(ids.to(self._skeleton.device), use_cache=False)
            except _LastBlockReachedError:
                return first[0], arguments
        raise UnsupportedModelError(
            f"{type(self._skeleton.model).__name__} does not run its blocks in order"
        )
