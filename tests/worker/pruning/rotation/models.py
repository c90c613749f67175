"""Small models that can be rotated, with gains and biases that are not trivial."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GemmaConfig, PretrainedConfig, Qwen2Config

from tests.models import FAMILIES, VOCABULARY

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
ROTATABLE: dict[str, PretrainedConfig] = {
    **{name: FAMILIES[name] for name in ("llama", "llama-tied", "mistral-sliding", "qwen3")},
    "qwen2-biases": Qwen2Config(**_SIZES),
    "gemma-offset": GemmaConfig(**_SIZES, head_dim=8),
}


def write_rotatable(folder: Path, config: PretrainedConfig, dtype: torch.dtype) -> Path:
    """Write a model with an outlying feature in its hidden states, which rotations spread."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):
                parameter.add_(torch.rand_like(parameter) - 0.5)
            elif parameter.ndim > 1:
                parameter.mul_(4)
            if "embed_tokens" in name:
                parameter[:, 3] += 3
    model.save_pretrained(folder, max_shard_size="40KB")
    return folder
