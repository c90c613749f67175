"""The memory of keys and values, against what transformers stores."""

from copy import deepcopy

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, MIXTURES, random_ids
from worker.jobs.target.cache_size import numbers_of_token

TOKENS = 6


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2-conv1d", "deepseek-v3-latent"])
def test_the_numbers_of_a_token_are_those_that_transformers_stores(family: str) -> None:
    config = deepcopy((FAMILIES | MIXTURES)[family])
    if family == "qwen3":
        config.head_dim = 48  # six times the hidden size by the number of heads
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        stored = model(random_ids(1, TOKENS), use_cache=True).past_key_values
    numbers = [layer.keys.numel() + layer.values.numel() for layer in stored.layers]
    assert numbers == [TOKENS * numbers_of_token(config)] * len(numbers)
    assert len(numbers) == config.num_hidden_layers
