"""Recording the hidden states that enter the first block, and the other arguments of each block."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.activations import Activations
from worker.pruning.model.blocks import BlockArguments, Stub, nested_values, split_hidden, stubbed
from worker.pruning.model.meta_model import MetaModel


class _LastBlockReachedError(Exception):
    """Raised to end a forward pass before the head."""


class BlockInputs:
    """Records the arguments that the model's code passes to each block, and runs blocks with them.

    A block's arguments, such as masks and rotary embeddings, may differ between blocks, as in
    models with hybrid attention, and between batch shapes. They must not depend on the tokens.
    """

    def __init__(self, meta_model: MetaModel) -> None:
        self._meta_model = meta_model
        self._arguments: dict[torch.Size, list[BlockArguments]] = {}
        # Further elements of the tuple that blocks return; None if they return only a tensor.
        self._extras: tuple[Any, ...] | None = None
        self._sample = torch.empty(0)

    def embed(self, batches: Iterable[Tensor], keep: Callable[[Tensor], None]) -> None:
        """Compute the first block's input for each batch, and record the blocks' arguments.

        Args:
            batches: token ids ``[batch, tokens]``.
            keep: called with each batch's hidden states ``[batch, tokens, hidden]``.

        Raises:
            UnsupportedModelError: the arguments depend on the tokens, or the model does not run its
                blocks in order, directly after one another.
        """
        for ids in batches:
            hidden, arguments = self._record(ids)
            first = self._arguments.setdefault(ids.shape, arguments)
            if not all(
                of_block.equals(other) for of_block, other in zip(first, arguments, strict=True)
            ):
                raise self._unsupported("calls its blocks with arguments that depend on the tokens")
            keep(hidden)

    def add_first_tokens(self, shape: torch.Size, count: int) -> None:
        """Allow calls with the first ``count`` tokens of windows.

        The arguments are cut from those of whole windows, so that a block computes the same for
        these tokens as in whole windows, even if they depend on the length of a window.

        Args:
            shape: shape ``[batch, tokens]`` of a batch of whole windows that was embedded.
            count: number of tokens of each window.
        """
        batch, tokens = shape
        cut = [of_block.cut(tokens, count) for of_block in self._arguments[shape]]
        self._arguments.setdefault(torch.Size([batch, count]), cut)

    def detect_output_format(self) -> None:
        """Run the first block on two tokens to learn whether blocks return a tensor or a tuple.

        The block's weights are zeros, as they do not matter. The hidden states of two tokens are
        also kept for `run_sample`.

        Raises:
            UnsupportedModelError: the output of the first block is not shaped like its input,
                blocks pass more than the hidden state to one another, or `embed` refuses the model.
        """
        ids = torch.arange(2)[None]
        hidden, arguments = self._record(ids, until=0)
        with self._meta_model.zeroed_block(0) as block:
            output = block(hidden, *arguments[0].args, **arguments[0].kwargs)
        state, *extras = output if isinstance(output, tuple) else (output,)
        if not isinstance(state, Tensor) or state.shape != hidden.shape:
            raise self._unsupported("has blocks whose output is not shaped like their input")
        self._extras = tuple(extras) if isinstance(output, tuple) else None
        _, arguments = self._record(ids)
        tensors = [value for value in nested_values(extras) if isinstance(value, Tensor)]
        if any(of_block.contains(tensor) for of_block in arguments for tensor in tensors):
            raise self._unsupported("passes more than the hidden state from block to block")
        self._extras = (None,) * len(extras) if isinstance(output, tuple) else None
        self.embed([ids, ids.flip(1)], self._keep_sample)
        self._check_no_shared_state()

    def run_sample(self, block: torch.nn.Module, index: int) -> None:
        """Run block ``index`` on two tokens, so that hooks can record which layers run."""
        self.call(block, index, self._sample)

    def check_identity(self, block: torch.nn.Module, index: int) -> None:
        """Check that block ``index`` returns its inputs, on two tokens.

        Raises:
            UnsupportedModelError: it does not.
        """
        if not torch.equal(self.call(block, index, self._sample).cpu(), self._sample.cpu()):
            raise self._unsupported("has blocks that do more than add to the hidden state")

    def call(self, block: torch.nn.Module, index: int, hidden: Tensor) -> Tensor:
        """Run block ``index`` on hidden states ``[batch, tokens, hidden]`` as the model would."""
        arguments = self._arguments[hidden.shape[:2]][index]
        return arguments.call(block, hidden.to(self._meta_model.device))

    def advance(self, block: torch.nn.Module, index: int, states: Activations) -> None:
        """Replace every batch of hidden states by the output of block ``index``."""
        for batch, hidden in enumerate(states):
            states[batch] = self.call(block, index, hidden)

    def as_output(self, hidden: Tensor) -> Any:
        """Return ``hidden`` in the format of a block's output: alone, or first in a tuple."""
        return hidden if self._extras is None else (hidden, *self._extras)

    def _record(self, ids: Tensor, until: int | None = None) -> tuple[Tensor, list[BlockArguments]]:
        """Run the model on token ids ``[batch, tokens]`` up to block ``until``, or up to the last.

        Returns:
            The first block's input ``[batch, tokens, hidden]``, and the arguments of each block up
            to ``until``.
        """
        last = len(self._meta_model.blocks) - 1 if until is None else until
        first: list[Tensor] = []
        arguments: list[BlockArguments] = []

        def stub(index: int) -> Stub:
            def record(*args: Any, **kwargs: Any) -> Any:
                hidden, rest = split_hidden(args, kwargs)
                if index != len(arguments):
                    raise self._unsupported("does not run its blocks in order")
                first.append(hidden)
                if hidden is not first[0] and not torch.equal(hidden, first[0]):
                    raise self._unsupported("changes the hidden state between its blocks")
                arguments.append(rest)
                if index == last:
                    raise _LastBlockReachedError
                return self.as_output(hidden)

            return record

        with stubbed(self._meta_model.blocks, stub):
            try:
                self._meta_model.model(ids.to(self._meta_model.device), use_cache=False)
            except _LastBlockReachedError:
                if first[0].shape[:2] == ids.shape:
                    return first[0], arguments
                raise self._unsupported(
                    "does not call its blocks with [batch, tokens, hidden]"
                ) from None
        raise self._unsupported("does not run its blocks in order")

    def _keep_sample(self, hidden: Tensor) -> None:
        self._sample = hidden

    def _check_no_shared_state(self) -> None:
        """Check that no block reads data, such as shared keys, that another block stored.

        Blocks could pass such data in a dict or list among their arguments, so each block that gets
        a dict or list is run alone on two tokens.

        Raises:
            UnsupportedModelError: a block that is run alone looks for such data and does not find
                it.
        """
        for index, arguments in enumerate(self._arguments[self._sample.shape[:2]]):
            if arguments.has_containers:
                with self._meta_model.zeroed_block(index) as block:
                    try:
                        self.run_sample(block, index)
                    except LookupError as error:
                        raise self._unsupported(
                            "has blocks that share more than a state"
                        ) from error

    def _unsupported(self, reason: str) -> UnsupportedModelError:
        model = self._meta_model.model
        return UnsupportedModelError(
            f"{type(model).__name__} (model type {model.config.model_type!r}) {reason}",
            "it cannot be pruned block by block, give another model",
        )
