"""The memory that keys and values of tokens take while a model generates."""

import torch
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.structure.attention_heads import head_width

_WHOLE, _SLIDING = "full_attention", "sliding_attention"


def cache_bytes(config: PretrainedConfig, context: int, batch: int) -> int:
    """Return the bytes of keys and values that transformers holds in the dtype of the weights.

    Args:
        config: the decoder's config.
        context: tokens of each sequence.
        batch: sequences at once.

    Raises:
        UnsupportedModelError: some of the model's layers hold something else.
    """
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if kinds is None:
        kinds = [_SLIDING if window else _WHOLE] * config.num_hidden_layers
    if others := sorted(set(kinds) - {_WHOLE, _SLIDING}):
        raise UnsupportedModelError(
            f"the memory of its layers of the kind {', '.join(others)} is not known",
            "set bytes or parameters in target in place of memory",
        )
    tokens = sum(min(context, window) if kind == _SLIDING and window else context for kind in kinds)
    dtype = config.dtype if isinstance(config.dtype, torch.dtype) else torch.bfloat16
    return batch * tokens * numbers_of_token(config) * dtype.itemsize


def numbers_of_token(config: PretrainedConfig) -> int:
    """Return how many numbers a layer of attention stores of each token.

    Latent attention stores the latents from which keys and values are expanded, since
    transformers 5.15.
    """
    if getattr(config, "kv_lora_rank", None):
        return int(config.kv_lora_rank + config.qk_rope_head_dim)
    groups: int = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    return 2 * groups * head_width(config)
