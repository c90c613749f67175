"""Which models can be rotated."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from tests.models import FAMILIES, FUSED, write_model
from tests.worker.pruning.rotation.models import ROTATABLE, write_rotatable
from worker.pruning.base.errors import RotationError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.rotation.structure import gain_offset, rotatable


def opened(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("family", ROTATABLE)
def test_models_that_are_built_like_llama_can_be_rotated(tmp_path: Path, family: str) -> None:
    parts = rotatable(opened(write_rotatable(tmp_path, ROTATABLE[family], torch.float32)))
    assert parts.offset == (family == "gemma-offset")
    # Gemma ties its embeddings by default.
    assert parts.is_tied == (family in {"llama-tied", "gemma-offset"})
    assert parts.norm == "model.norm.weight"
    assert (parts.embeddings, parts.head) == ("model.embed_tokens.weight", "lm_head.weight")


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("gemma3-hybrid", "has a further parameter, post_feedforward_layernorm.weight"),
        ("opt-projected", "has no input_layernorm.weight"),
        ("gpt2-conv1d", "has no input_layernorm.weight"),
        ("mixtral-experts", "has no mlp.down_proj.weight"),
        ("phi3", "has no mlp.gate_proj.weight"),
    ],
)
def test_other_models_are_refused_with_the_reason(tmp_path: Path, family: str, reason: str) -> None:
    meta_model = opened(write_model(tmp_path, {**FAMILIES, **FUSED}[family]))
    with pytest.raises(RotationError, match=reason) as refused:
        rotatable(meta_model)
    assert "leave rotate out" in str(refused.value)


def test_a_norm_is_recognised_by_what_it_computes() -> None:
    assert gain_offset(LlamaRMSNorm(32)) == 0
    assert gain_offset(nn.RMSNorm(32)) == 0
    assert gain_offset(nn.LayerNorm(32)) is None
    assert gain_offset(nn.LayerNorm(32, bias=False)) is None
    assert gain_offset(nn.Identity()) is None
