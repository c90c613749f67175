"""Text that a model generates, one token after the other."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Generator, Tensor
from transformers import PreTrainedModel

from worker.pruning.model.meta_model import MetaModel

TEMPERATURE = 0.8


@contextmanager
def whole_model(meta_model: MetaModel) -> Iterator[PreTrainedModel]:
    """Load all weights of a model for the body of the ``with`` statement."""
    with ExitStack() as stack:
        stack.enter_context(meta_model.loaded_outside_blocks())
        for index in range(len(meta_model.blocks)):
            stack.enter_context(meta_model.loaded_block(index, meta_model.read_block(index)))
        yield meta_model.model


def continuation(
    model: PreTrainedModel,
    prompt: Tensor,
    tokens: int,
    end: Collection[int],
    generator: Generator | None = None,
) -> list[int]:
    """Return the tokens with which a model continues a prompt, as `next_tokens` yields them."""
    return list(next_tokens(model, prompt, tokens, end, generator))


def end_tokens(model: PreTrainedModel) -> set[int]:
    """Return the tokens that end a text of the model."""
    eos = model.config.get_text_config().eos_token_id
    return set(eos) if isinstance(eos, list) else {eos}


@torch.no_grad()
def next_tokens(
    model: PreTrainedModel,
    prompt: Tensor,
    tokens: int,
    end: Collection[int],
    generator: Generator | None = None,
) -> Iterator[int]:
    """Yield the tokens with which a model continues a prompt, one by one.

    The model runs on all tokens for each new one, because not every model has a cache that its
    blocks share.

    Args:
        model: the model, with its weights loaded.
        prompt: ``[n]`` int64 token ids.
        tokens: the number of tokens after which the text ends.
        end: the tokens that end the text earlier; such a token is not yielded.
        generator: draws each token at a temperature of 0.8; None takes the most likely token.
    """
    ids = prompt
    for _ in range(tokens):
        logits = model(input_ids=ids[None].to(model.device)).logits[0, -1].float().cpu()
        if generator is None:
            token = logits.argmax()
        else:
            odds = torch.softmax(logits / TEMPERATURE, 0)
            token = torch.multinomial(odds, 1, generator=generator)[0]
        if int(token) in end:
            break
        ids = torch.cat([ids, token[None]])
        yield int(token)
