"""Small random models of many families, saved as Hugging Face folders."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import (
    AutoModelForCausalLM,
    BambaConfig,
    BloomConfig,
    CodeGenConfig,
    DeepseekV3Config,
    DeepseekV32Config,
    FalconConfig,
    FalconMambaConfig,
    Gemma3nTextConfig,
    Gemma3TextConfig,
    Gemma4TextConfig,
    GlmMoeDsaConfig,
    GPT2Config,
    GPTBigCodeConfig,
    GPTNeoXConfig,
    GptOssConfig,
    JambaConfig,
    JetMoeConfig,
    Llama4TextConfig,
    LlamaConfig,
    Mamba2Config,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    MptConfig,
    OpenAIGPTConfig,
    OPTConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2MoeConfig,
    Qwen3Config,
    Qwen3MoeConfig,
    RwkvConfig,
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

_EXPERTS = {**_GATED, "moe_intermediate_size": 24, "num_experts_per_tok": 2}

_LATENT = {
    **_EXPERTS,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "n_group": 2,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 12,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
}

# Mixtures of experts whose weights are fused in different ways.
MIXTURES: dict[str, PretrainedConfig] = {
    "mixtral": FAMILIES["mixtral-experts"],
    "qwen2-moe-shared": Qwen2MoeConfig(
        **_EXPERTS, num_experts=4, shared_expert_intermediate_size=40
    ),
    "qwen3-moe": Qwen3MoeConfig(**_EXPERTS, head_dim=8, num_experts=6),
    "gpt-oss-interleaved": GptOssConfig(
        **_GATED, head_dim=8, num_local_experts=4, num_experts_per_tok=2
    ),
    "llama4-bmm": Llama4TextConfig(
        **_GATED,
        head_dim=8,
        num_local_experts=4,
        intermediate_size_mlp=40,
        interleave_moe_layer_step=2,
    ),
    "jetmoe-modules": JetMoeConfig(
        **{**_SIZES, "num_key_value_heads": 2},
        kv_channels=8,
        intermediate_size=48,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),
    "deepseek-v3-latent": DeepseekV3Config(**_LATENT),
}

# Models whose queries, keys and values are fused in different layouts.
FUSED: dict[str, PretrainedConfig] = {
    "gpt2": FAMILIES["gpt2-conv1d"],
    "gpt-neox": FAMILIES["gpt-neox"],
    "bloom": FAMILIES["bloom-tuples"],
    "phi3": Phi3Config(**_GATED),
    "falcon-old": FalconConfig(**_SIZES, multi_query=False, new_decoder_architecture=False),
    "falcon-one-key": FalconConfig(**_SIZES, multi_query=True, new_decoder_architecture=False),
    "falcon-new": FalconConfig(**_SIZES, num_kv_heads=2, new_decoder_architecture=True),
    "mpt": MptConfig(vocab_size=VOCABULARY, d_model=32, n_heads=4, n_layers=3, max_seq_len=64),
    "gpt-bigcode": GPTBigCodeConfig(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64, multi_query=True
    ),
    "gpt-bigcode-heads": GPTBigCodeConfig(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64, multi_query=False
    ),
    "codegen": CodeGenConfig(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64, rotary_dim=4
    ),
}

_STATES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "state_size": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

# Models with recurrent blocks, some of them with attention as well.
RECURRENT: dict[str, PretrainedConfig] = {
    "mamba": MambaConfig(**_STATES),
    "falcon-mamba": FalconMambaConfig(**_STATES),
    "mamba2": Mamba2Config(**_STATES, num_heads=8, head_dim=8, n_groups=1, chunk_size=8),
    "jamba": JambaConfig(
        **_GATED,
        num_experts=4,
        num_experts_per_tok=2,
        attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=2,
        expert_layer_offset=1,
        mamba_d_state=8,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
    ),
    "bamba-pairs": BambaConfig(
        **_GATED,
        mamba_n_heads=4,
        mamba_d_head=16,
        mamba_d_state=8,
        mamba_n_groups=1,
        mamba_chunk_size=8,
        attn_layer_indices=[1],
    ),
    "rwkv-triples": RwkvConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=3,
        attention_hidden_size=32,
        intermediate_size=48,
        context_length=64,
    ),
}

_SPARSE_ATTENTION = {
    **_LATENT,
    "index_n_heads": 2,
    "index_head_dim": 8,
    "index_topk": 8,
}

DEEPSEEK_V32 = DeepseekV32Config(**_SPARSE_ATTENTION)
"""Each token attends to eight tokens, chosen by an indexer."""

_GEMMA = {
    **_GATED,
    "head_dim": 8,
    "sliding_window": 8,
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
}
_GEMMA4 = {**_GEMMA, "global_head_dim": 8, "vocab_size_per_layer_input": VOCABULARY}

GEMMA4_ALONE = Gemma4TextConfig(**_GEMMA4, hidden_size_per_layer_input=0, num_kv_shared_layers=0)
"""Its blocks store their keys for other blocks, but none reads them."""

GEMMA4_SHARING = Gemma4TextConfig(**_GEMMA4, hidden_size_per_layer_input=8, num_kv_shared_layers=2)
"""Some of its blocks read the keys that other blocks stored."""

# Models that cannot be pruned block by block, for different reasons.
UNSUPPORTED: dict[str, PretrainedConfig] = {
    "gpt-lists": OpenAIGPTConfig(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64
    ),
    "gemma3n-streams": Gemma3nTextConfig(
        **_GEMMA,
        vocab_size_per_layer_input=VOCABULARY,
        hidden_size_per_layer_input=8,
        num_kv_shared_layers=1,
        laurel_rank=8,
        activation_sparsity_pattern=[0.0] * 4,
    ),
    "gemma4-tokens": Gemma4TextConfig(
        **_GEMMA4, hidden_size_per_layer_input=8, num_kv_shared_layers=0
    ),
    "glm-shared-indices": GlmMoeDsaConfig(**_SPARSE_ATTENTION),
    "rwkv-rescaled": RwkvConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=3,
        rescale_every=2,
        attention_hidden_size=32,
        intermediate_size=48,
        context_length=64,
    ),
}


def write_model(
    folder: Path, config: PretrainedConfig, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Path:
    """Write a random model with weights large enough that its outputs differ between tokens.

    The files of an equal model are the same, and so is what is drawn after it.
    """
    key = f"{config.to_json_string()} {type(config)} {dtype} {seed}"
    if key not in _WRITTEN:
        _WRITTEN[key] = _files(config, dtype, seed), torch.get_rng_state()
    files, drawn = _WRITTEN[key]
    torch.set_rng_state(drawn)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


_WRITTEN: dict[str, tuple[dict[str, bytes], torch.Tensor]] = {}
"""The files of each model that was written, and the state of the random numbers after it."""


def _files(config: PretrainedConfig, dtype: torch.dtype, seed: int) -> dict[str, bytes]:
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder, max_shard_size="40KB")
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def random_ids(windows: int, tokens: int, seed: int = 0) -> torch.Tensor:
    """Return random token ids ``[windows, tokens]``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (windows, tokens), generator=generator)
