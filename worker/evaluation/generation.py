"""Text that a model generates, one token of each row after the other."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Generator, Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_limits import fits_whole

TEMPERATURE = 0.8
CACHE_ROOM = 64
"""For how many more tokens a full cache layer gets memory."""
_CACHE = ("cache", "past_key_values")
"""The names of the cache in forwards of transformers, before 5.24 the second."""
Choose = Callable[[Tensor], Tensor]
"""Returns the next token ``[rows]`` of each row, given its logits ``[rows, vocabulary]``."""


@contextmanager
def runnable_model(meta_model: MetaModel, budget_bytes: int | None) -> Iterator[PreTrainedModel]:
    """Have a model run with its weights in the body of the ``with`` statement.

    Args:
        meta_model: the model. If its weights do not fit into memory, those of each block are read
            whenever the model runs it.
        budget_bytes: the maximum memory of the process; None for no such limit.
    """
    is_whole = fits_whole(meta_model, budget_bytes)
    with whole_model(meta_model) if is_whole else streamed_model(meta_model) as model:
        yield model


@contextmanager
def whole_model(meta_model: MetaModel) -> Iterator[PreTrainedModel]:
    """Load all weights of a model for the body of the ``with`` statement."""
    with ExitStack() as stack:
        stack.enter_context(meta_model.loaded_outside_blocks())
        for index in range(len(meta_model.blocks)):
            stack.enter_context(meta_model.loaded_block(index, meta_model.read_block(index)))
        yield meta_model.model


@contextmanager
def streamed_model(meta_model: MetaModel) -> Iterator[PreTrainedModel]:
    """Load the weights outside the blocks, and those of each block while the model runs it."""
    with ExitStack() as stack:
        stack.enter_context(meta_model.loaded_outside_blocks())
        for index in range(len(meta_model.blocks)):
            stack.enter_context(_streamed_block(meta_model, index))
        yield meta_model.model


@contextmanager
def _streamed_block(meta_model: MetaModel, index: int) -> Iterator[None]:
    block, loaded, following = meta_model.blocks[index], ExitStack(), index + 1

    def load(*_: Any) -> None:
        meta_model.read_ahead(following % len(meta_model.blocks))
        loaded.enter_context(meta_model.loaded_block(index, meta_model.read_block(index)))

    def unload(*_: Any) -> None:
        loaded.close()

    with (
        block.register_forward_pre_hook(load),
        block.register_forward_hook(unload, always_call=True),
    ):
        yield


def end_tokens(model: PreTrainedModel) -> set[int]:
    """Return the tokens that end a text of the model."""
    eos = model.config.get_text_config().eos_token_id
    return set(eos) if isinstance(eos, list) else {eos} - {None}


def most_likely(logits: Tensor) -> Tensor:
    """Return the most likely token ``[rows]`` of each row."""
    return logits.argmax(-1)


def drawn_by(generator: Generator) -> Choose:
    """Return a function that draws the token of each row at a temperature of 0.8."""

    def choose(logits: Tensor) -> Tensor:
        odds = torch.softmax(logits / TEMPERATURE, -1)
        return torch.multinomial(odds, 1, generator=generator)[:, 0]

    return choose


@torch.no_grad()
def generated(
    model: PreTrainedModel, prompts: Tensor, tokens: int, choose: Choose
) -> Iterator[Tensor]:
    """Yield the tokens with which a model continues prompts, one ``[rows]`` after the other.

    Keys and values of earlier tokens are cached, so that the model runs on each token once. A
    family without such a cache runs on all tokens again.

    Args:
        model: the model, with its weights.
        prompts: ``[rows, n]`` int64 token ids: prompts of one length, so that no row is padded.
        tokens: how many tokens are generated at most; the caller may stop earlier.
        choose: chooses the tokens, from logits in fp32 on the CPU.
    """
    ids = prompts.to(model.device)
    given, options = ids, _cache_options(model)
    for _ in range(tokens):
        logits = model(input_ids=given, **options).logits[:, -1].float().cpu()
        chosen = choose(logits)
        yield chosen
        column = chosen[:, None].to(ids.device)
        ids = torch.cat([ids, column], 1)
        given = column if options["use_cache"] else ids


def next_tokens(
    model: PreTrainedModel,
    prompt: Tensor,
    tokens: int,
    end: Collection[int],
    generator: Generator | None = None,
) -> Iterator[int]:
    """Yield the tokens with which a model continues a prompt, one by one.

    Args:
        model: the model, with its weights.
        prompt: ``[n]`` int64 token ids.
        tokens: the number of tokens after which the text ends.
        end: the tokens that end the text earlier; such a token is not yielded.
        generator: draws each token at a temperature of 0.8; None takes the most likely token.
    """
    choose = most_likely if generator is None else drawn_by(generator)
    for chosen in generated(model, prompt[None], tokens, choose):
        if (token := int(chosen)) in end:
            break
        yield token


def _cache_options(model: PreTrainedModel) -> dict[str, Any]:
    """Return the options of a model's forward with which it caches, and skips unused logits."""
    known = signature(model.forward).parameters
    options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
    name = next((name for name in _CACHE if name in known), None)
    if name is None or not model._supports_default_dynamic_cache():
        return options | {"use_cache": False}
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    cache.layers = [
        _RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return options | {"use_cache": True, name: cache}


class _RoomyLayer(DynamicLayer):  # type: ignore[misc] # it has no types
    """A cache layer that copies what it has once for many tokens.

    The layer of transformers copies all keys and values for every token, which takes a quarter of
    the time of generating 400 tokens on a CPU.
    """

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append and return the keys and values ``[rows, groups, tokens, features]``."""
        known = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._rooms = key_states[..., :0, :], value_states[..., :0, :]
        total = known + key_states.shape[-2]
        if total > self._rooms[0].shape[-2]:
            self._rooms = _with_room(self._rooms[0], total), _with_room(self._rooms[1], total)
        self.keys, self.values = (room[..., :total, :] for room in self._rooms)
        self.keys[..., known:, :] = key_states
        self.values[..., known:, :] = value_states
        return self.keys, self.values


def _with_room(states: Tensor, tokens: int) -> Tensor:
    """Return a copy of a layer's states, with memory for these and `CACHE_ROOM` more tokens."""
    *rows, known, features = states.shape
    room = states.new_empty(*rows, tokens + CACHE_ROOM, features)
    room[..., :known, :] = states
    return room
