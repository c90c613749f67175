"""How many bits a model needs for each byte of a text, whatever its tokens are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.evaluation.perplexity import token_loss
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import window_losses
from worker.pruning.model.meta_model import MetaModel


@dataclass(frozen=True)
class EncodedText:
    """A text in the tokens of a model.

    Attributes:
        ids: its tokens ``[1, tokens]``.
        predicted_bytes: the size in UTF-8 of what follows its first token.
    """

    ids: Tensor
    predicted_bytes: int


def encoded_text(tokenizer: Any, text: str) -> EncodedText:
    """Encode a text with a fast tokenizer, without special tokens."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    (_, end), *_ = encoded["offset_mapping"]
    return EncodedText(torch.tensor([encoded["input_ids"]]), len(text[end:].encode()))


def shortened_text(tokenizer: Any, text: str, tokens: int) -> str:
    """Return the beginning of a text that has at most so many tokens."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]]


@torch.no_grad()
def bits_per_byte(meta_model: MetaModel, texts: Sequence[EncodedText]) -> float:
    """Return the bits that a model needs for each predicted byte of the texts together.

    One block is in memory at a time.
    """
    inputs, states = BlockInputs(meta_model), list[Tensor]()
    batches = [text.ids for text in texts]
    with meta_model.loaded_embeddings():
        inputs.detect_output_format()
        inputs.embed(batches, states.append)
    for index in range(len(meta_model.blocks)):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            states = [inputs.call(block, index, hidden) for hidden in states]
    with meta_model.loaded_head():
        means = window_losses(meta_model, inputs, states, batches, token_loss)
    pairs = zip(means, batches, strict=True)
    nats = math.fsum(mean * (ids.shape[1] - 1) for mean, ids in pairs)
    return nats / math.log(2) / sum(text.predicted_bytes for text in texts)
