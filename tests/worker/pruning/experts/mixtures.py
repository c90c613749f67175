"""Small random mixtures of experts, one for each kind of router that transformers has."""

from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    Glm4MoeConfig,
    GptOssConfig,
    GraniteMoeConfig,
    MixtralConfig,
    OlmoeConfig,
    PretrainedConfig,
    Qwen3_5MoeConfig,
    Qwen3_5MoeForConditionalGeneration,
    Qwen3MoeConfig,
)

from tests.models import VOCABULARY

EXPERTS, PER_TOKEN = 8, 2
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "num_experts_per_tok": PER_TOKEN,
}
_WIDE = {**_SIZES, "intermediate_size": 24}
_SPLIT = {**_SIZES, "intermediate_size": 48, "moe_intermediate_size": 24}
_GROUPS = {
    **_SPLIT,
    "n_routed_experts": EXPERTS,
    "n_group": 2,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "num_hidden_layers": 3,
}
_LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 12,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
}
_VISION = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 32,
    "num_position_embeddings": 16,
}
_LINEAR = {
    "head_dim": 8,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "layer_types": ["linear_attention", "full_attention"],
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 16,
    "num_experts": EXPERTS,
}

SOFTMAX: dict[str, PretrainedConfig] = {
    "mixtral": MixtralConfig(**_WIDE, num_local_experts=EXPERTS),
    "qwen3-moe": Qwen3MoeConfig(**_SPLIT, head_dim=8, num_experts=EXPERTS, norm_topk_prob=True),
    "qwen3-moe-plain": Qwen3MoeConfig(**_SPLIT, head_dim=8, num_experts=EXPERTS),
    "qwen3.5-moe-nested": Qwen3_5MoeConfig(
        text_config={**_SIZES, **_LINEAR}, vision_config=_VISION
    ),
    "gpt-oss-bias": GptOssConfig(**_WIDE, head_dim=8, num_local_experts=EXPERTS),
    "granite-moe": GraniteMoeConfig(**_WIDE, num_local_experts=EXPERTS),
    "olmoe": OlmoeConfig(**_WIDE, num_experts=EXPERTS),
}
"""Routers whose weights are a softmax, of all logits or of the highest ones."""
SIGMOID: dict[str, PretrainedConfig] = {
    "deepseek-v3-groups": DeepseekV3Config(**_GROUPS | _LATENT),
    "glm4-moe-groups": Glm4MoeConfig(**_GROUPS, head_dim=8),
}
"""Routers with groups, which choose by sigmoids and a correction, and weight by sigmoids alone."""
MIXTURES = SOFTMAX | SIGMOID


def write_mixture(folder: Path, family: str, seed: int = 0) -> Path:
    """Write a model whose router's logits, biases and corrections differ between experts."""
    torch.manual_seed(seed)
    config = MIXTURES[family]
    build = AutoModelForCausalLM.from_config
    if isinstance(config, Qwen3_5MoeConfig):
        build = Qwen3_5MoeForConditionalGeneration
    model = build(config)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            is_router = name.endswith(("router.bias", "e_score_correction_bias", "proj_bias"))
            if is_router or (value.ndim > 1 and "gate.weight" in name):
                value.normal_(std=0.1 if is_router else 1.0)
            elif value.ndim > 1:
                value.mul_(4)
    model.save_pretrained(folder)
    return folder


def router_of(mixture: nn.Module) -> nn.Module:
    """Return the module that the model's own code calls to choose experts."""
    name = "gate" if hasattr(mixture, "gate") else "router"
    return mixture.get_submodule(name)
