"""A small model with a tokenizer, to run zero-shot tasks on."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig

from tests.models import write_model
from tests.worker.sources.builders import byte_tokenizer

POSITIONS = 64
CONFIG = LlamaConfig(
    vocab_size=260,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=POSITIONS,
)


def write_model_and_tokenizer(folder: Path, seed: int = 0, positions: int = POSITIONS) -> Path:
    """Write a random Llama with a tokenizer of bytes."""
    config = deepcopy(CONFIG)
    config.max_position_embeddings = positions
    write_model(folder, config, torch.float32, seed)
    tokenizer: Any = byte_tokenizer()
    tokenizer.model_max_length = positions
    tokenizer.save_pretrained(folder)
    return folder
