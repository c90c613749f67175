"""From token ids to the first block: embeddings, and what each block is called with."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.activations import Activations
from worker.pruning.model.blocks import BlockArguments, Stub, parts, split_hidden, stubbed
from worker.pruning.model.meta_model import MetaModel


class _LastBlockReachedError(Exception):
    """Ends a forward whose head is not wanted."""


class BlockInputs:
    """The model's own code up to its blocks, and the arguments it gave to each of them.

    A block's arguments (masks, rotary embeddings) may differ from block to block, as in models
    with hybrid attention, and with the batch's shape; they must not depend on the tokens.
    """

    def __init__(self, meta_model: MetaModel) -> None:
        self._meta_model = meta_model
        self._arguments: dict[torch.Size, list[BlockArguments]] = {}
        # What a block's tuple holds beside the hidden state; None where it returns that alone.
        self._extras: tuple[Any, ...] | None = None
        self._sample = torch.empty(0)

    def embed(self, batches: Iterable[Tensor], keep: Callable[[Tensor], None]) -> None:
        """Give ``keep`` the first block's input ``[batch, tokens, hidden]`` of each batch."""
        for ids in batches:
            hidden, arguments = self._record(ids)
            known = self._arguments.setdefault(ids.shape, arguments)
            if not all(one.equals(other) for one, other in zip(known, arguments, strict=True)):
                raise self._refused("calls its blocks with arguments that depend on the tokens")
            keep(hidden)

    def detect_output_format(self) -> None:
        """Find out what blocks return, by running the first one on two tokens.

        Raises:
            UnsupportedModelError: blocks take or return more than can be given block by block.
        """
        ids = torch.arange(2)[None]
        hidden, arguments = self._record(ids, until=0)
        with self._meta_model.loaded_block(0, self._meta_model.read_block(0)) as block:
            output = block(hidden, *arguments[0].args, **arguments[0].kwargs)
        state, *extras = output if isinstance(output, tuple) else (output,)
        if not isinstance(state, Tensor) or state.shape != hidden.shape:
            raise self._refused("has blocks that do not return a hidden state like the one given")
        self._extras = tuple(extras) if isinstance(output, tuple) else None
        _, arguments = self._record(ids)
        tensors = [part for part in parts(extras) if isinstance(part, Tensor)]
        if any(one.contains(tensor) for one in arguments for tensor in tensors):
            raise self._refused("gives a block more of the one before it than the hidden state")
        self._extras = (None,) * len(extras) if isinstance(output, tuple) else None
        self.embed([ids, ids.flip(1)], self._remember)
        self._refuse_shared_state()

    def run_sample(self, block: torch.nn.Module, index: int) -> None:
        """Run block ``index`` on two tokens, for whoever watches what it does."""
        self.call(block, index, self._sample)

    def call(self, block: torch.nn.Module, index: int, hidden: Tensor) -> Tensor:
        """Run block ``index`` on ``hidden`` as the model would."""
        arguments = self._arguments[hidden.shape[:2]][index]
        return arguments.call(block, hidden.to(self._meta_model.device))

    def advance(self, block: torch.nn.Module, index: int, states: Activations) -> None:
        """Replace every batch by what block ``index`` makes of it."""
        for batch, hidden in enumerate(states):
            states[batch] = self.call(block, index, hidden)

    def answer(self, hidden: Tensor) -> Any:
        """Return the hidden state in the form in which this model's blocks return it."""
        return hidden if self._extras is None else (hidden, *self._extras)

    def _record(self, ids: Tensor, until: int | None = None) -> tuple[Tensor, list[BlockArguments]]:
        """Run the model's code up to block ``until``, the last one by default."""
        last = len(self._meta_model.blocks) - 1 if until is None else until
        first: list[Tensor] = []
        arguments: list[BlockArguments] = []

        def stub(index: int) -> Stub:
            def record(*args: Any, **kwargs: Any) -> Any:
                hidden, rest = split_hidden(args, kwargs)
                if index != len(arguments):
                    raise self._refused("does not run its blocks in order")
                first.append(hidden)
                if hidden is not first[0] and not torch.equal(hidden, first[0]):
                    raise self._refused("changes the hidden state between its blocks")
                arguments.append(rest)
                if index == last:
                    raise _LastBlockReachedError
                return self.answer(hidden)

            return record

        with stubbed(self._meta_model.blocks, stub):
            try:
                self._meta_model.model(ids.to(self._meta_model.device), use_cache=False)
            except _LastBlockReachedError:
                if first[0].shape[:2] == ids.shape:
                    return first[0], arguments
                raise self._refused("does not give its blocks [batch, tokens, hidden]") from None
        raise self._refused("does not run its blocks in order")

    def _remember(self, hidden: Tensor) -> None:
        self._sample = hidden

    def _refuse_shared_state(self) -> None:
        """Refuse blocks that look in a container for what others left there, as shared keys are.

        Where they are given one, all are run on two tokens to see.
        """
        for index, arguments in enumerate(self._arguments[self._sample.shape[:2]]):
            if arguments.has_containers:
                with self._meta_model.loaded_block(
                    index, self._meta_model.read_block(index)
                ) as block:
                    try:
                        self.run_sample(block, index)
                    except LookupError as error:
                        raise self._refused("has blocks that share more than a state") from error

    def _refused(self, why: str) -> UnsupportedModelError:
        model = self._meta_model.model
        return UnsupportedModelError(
            f"{type(model).__name__} (model type {model.config.model_type!r}) {why}; "
            "it cannot be swept block by block"
        )
