"""A small Qwen3-MoE whose weights are values of a sine, so that nothing random decides them."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, Qwen3MoeConfig

LAYERS, EXPERTS, WINDOWS, TOKENS = 2, 8, 16, 24
_CONFIG = Qwen3MoeConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=16,
    moe_intermediate_size=8,
    num_hidden_layers=LAYERS,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=8,
    num_experts=EXPERTS,
    num_experts_per_tok=2,
    norm_topk_prob=True,
    max_position_embeddings=64,
)


def write_sine_mixture(folder: Path) -> Path:
    """Write the model with one tensor for each matrix of an expert, as on the hub."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(_CONFIG)
    shapes = {
        name: value.shape for name, value in model.state_dict().items() if ".experts." not in name
    }
    own = {"gate_proj": (8, 16), "up_proj": (8, 16), "down_proj": (16, 8)}
    for layer in range(LAYERS):
        for expert in range(EXPERTS):
            prefix = f"model.layers.{layer}.mlp.experts.{expert}"
            shapes |= {f"{prefix}.{name}.weight": torch.Size(own[name]) for name in own}
    tensors = {
        name: _values(place, shape, is_norm="norm" in name)
        for place, (name, shape) in enumerate(sorted(shapes.items()))
    }
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = _CONFIG.to_dict() | {"num_experts": EXPERTS, "architectures": ["Qwen3MoeForCausalLM"]}
    config.pop("num_local_experts", None)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def windows() -> Tensor:
    """Return token ids ``[WINDOWS, TOKENS]``."""
    places = torch.arange(WINDOWS * TOKENS)
    return (places * 37 + places**2 * 11).remainder(61).view(WINDOWS, TOKENS)


def _values(place: int, shape: torch.Size, *, is_norm: bool) -> Tensor:
    numbers = torch.arange(shape.numel(), dtype=torch.float64)
    values = torch.sin(1.7 * numbers + numbers**1.5 + 13.7 * place)
    return ((1 + 0.2 * values) if is_norm else 0.6 * values).float().view(shape)
