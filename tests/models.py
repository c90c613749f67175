"""Small random models of many families, written as Hugging Face folders."""

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    PretrainedConfig,
    Qwen3Config,
)

VOCABULARY = 96

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GATED = {**_SIZES, "intermediate_size": 48, "num_key_value_heads": 2}

FAMILIES: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**_GATED),
    "llama-tied": LlamaConfig(**_GATED, tie_word_embeddings=True),
    "mistral-sliding": MistralConfig(**_GATED, sliding_window=8),
    "qwen3": Qwen3Config(**_GATED, head_dim=8),
    "gemma3-hybrid": Gemma3TextConfig(
        **_GATED,
        head_dim=8,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "opt-projected": OPTConfig(**_SIZES, ffn_dim=48, word_embed_proj_dim=16),
    "gpt2-conv1d": GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=3,
        n_head=4,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "gpt-neox": GPTNeoXConfig(**_SIZES, intermediate_size=48),
    "bloom-tuples": BloomConfig(
        vocab_size=VOCABULARY, hidden_size=32, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=2
    ),
    "mixtral-experts": MixtralConfig(**_GATED, num_local_experts=4),
}


def write_model(
    folder: Path, config: PretrainedConfig, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Path:
    """Write a random model whose weights are large enough to make its outputs differ."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    model.save_pretrained(folder, max_shard_size="40KB")
    return folder


def random_ids(windows: int, tokens: int, seed: int = 0) -> torch.Tensor:
    """Return ids ``[windows, tokens]`` of the small vocabulary."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (windows, tokens), generator=generator)
