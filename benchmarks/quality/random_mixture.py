"""A mixture of a real size with random weights, which takes the time of a trained one."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3MoeConfig


def write_mixture(tokenizer: Path, out: Path) -> Path:
    """Write a mixture of 186 million parameters in bfloat16, and return its folder.

    It has twelve layers, each with 32 experts of which a token takes four.

    Args:
        tokenizer: the folder of a model, whose tokenizer it has.
        out: its folder.
    """
    tokens = AutoTokenizer.from_pretrained(tokenizer)
    config = Qwen3MoeConfig(
        vocab_size=len(tokens),
        hidden_size=512,
        moe_intermediate_size=256,
        num_hidden_layers=12,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        num_experts=32,
        num_experts_per_tok=4,
        norm_topk_prob=True,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(out)
    tokens.save_pretrained(out)
    return out
