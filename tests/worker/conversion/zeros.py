"""Small models with zeros in place of channels and heads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, PretrainedConfig

from tests.models import write_model

SIZES: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}
WIDTH = 4
MLP = {"gate_proj": 0, "up_proj": 0, "down_proj": 1}
"""The matrices of an MLP, each with the dimension of its channels."""


def write_zeros(
    folder: Path,
    channels: Sequence[int],
    groups: Sequence[int] = (),
    config: PretrainedConfig | None = None,
    matrices: Sequence[str] = tuple(MLP),
) -> Path:
    """Write a random model with zeros in place of channels and key heads of its second block."""
    write_model(folder, LlamaConfig(**SIZES) if config is None else config)
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if not name.startswith("model.layers.1."):
                continue
            matrix = name.split(".")[-2]
            if matrix in matrices:
                tensor.index_fill_(MLP[matrix], torch.tensor(channels, dtype=torch.int64), 0)
            for group in groups:
                if matrix in {"k_proj", "v_proj"}:
                    tensor[group * WIDTH : (group + 1) * WIDTH] = 0
                elif matrix == "q_proj":
                    tensor[2 * group * WIDTH : 2 * (group + 1) * WIDTH] = 0
                elif matrix == "o_proj":
                    tensor[:, 2 * group * WIDTH : 2 * (group + 1) * WIDTH] = 0
        save_file(tensors, file, metadata={"format": "pt"})
    return folder
