"""Bits per byte equal the losses that transformers computes, over the bytes that are predicted."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.vocabulary.small_tokenizers import write_byte_level
from worker.evaluation.text_bits import bits_per_byte, encoded_text, shortened_text
from worker.pruning.model.meta_model import MetaModel

TEXTS = ("The quick brown fox", "Größe: 12 €", "ab")


@torch.no_grad()
def test_bits_per_byte_are_the_losses_of_all_tokens_but_the_first(tmp_path: Path) -> None:
    folder = write_model_and_tokenizer(tmp_path / "model")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    nats, size = 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
        count = ids.shape[1] - 1
        nats += float(model(ids, labels=ids).loss) * count
        size += count  # a token of this tokenizer is a byte
    opened = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    found = bits_per_byte(opened, [encoded_text(tokenizer, text) for text in TEXTS])
    assert found == pytest.approx(nats / math.log(2) / size, rel=1e-5)


def test_a_longer_first_token_leaves_fewer_bytes_to_predict(tmp_path: Path) -> None:
    tokenizer = write_byte_level(tmp_path)
    encoded = encoded_text(tokenizer, "little dog €")
    first = tokenizer.decode(encoded.ids[0, :1])
    assert len(first) > 1
    assert encoded.predicted_bytes == len("little dog €".encode()) - len(first)


@pytest.mark.parametrize("tokens", [1, 3, 100])
def test_a_text_is_shortened_to_a_number_of_tokens(tmp_path: Path, tokens: int) -> None:
    tokenizer = write_byte_level(tmp_path)
    text = "The little dog was happy."
    shortened = shortened_text(tokenizer, text, tokens)
    assert text.startswith(shortened)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert shortened == tokenizer.decode(ids[:tokens])
