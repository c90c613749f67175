"""Small models of many families, and what they generate."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as Decoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
)

LETTERS = [chr(byte) for byte in range(33, 127)]


TEXTS = [*LETTERS, LETTERS[0] + LETTERS[1]]  # llama.cpp asks for a pair


END = 2


TOKENS = 12


SIZES: dict[str, Any] = {
    "vocab_size": 128,  # more than there are letters, as transformers adds tokens for some families
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": END,
    "pad_token_id": 0,
}


def save_tokenizer(folder: Path) -> None:
    vocabulary = {text: token for token, text in enumerate(TEXTS)}
    backend = Tokenizer(BPE(vocabulary, [(LETTERS[0], LETTERS[1])]))
    backend.pre_tokenizer, backend.decoder = ByteLevel(add_prefix_space=False), Decoder()
    names = {"bos_token": LETTERS[1], "eos_token": LETTERS[END], "pad_token": LETTERS[0]}
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def most_likely(folder: Path, prompt: list[int]) -> str:
    """Return the text of the most likely tokens, as llama.cpp writes it."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = list(prompt)
    for _ in range(TOKENS):
        logits = model(torch.tensor([ids])).logits[0, -1]
        logits[END] = -torch.inf
        ids.append(int(logits.argmax()))
    shown = (one for one in ids[len(prompt) :] if END < one < len(TEXTS))
    return "".join(TEXTS[one] for one in shown)
