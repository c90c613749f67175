from pathlib import Path

import pytest
import torch

from tests.models import FAMILIES, FUSED, MIXTURES, write_model
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.refinement.groups import Group, trained_groups
from worker.pruning.refinement.settings import Refinement

CONFIGS = {**FAMILIES, **MIXTURES, **FUSED}


def groups(folder: Path, family: str, refinement: Refinement) -> list[Group]:
    meta_model = MetaModel.open(
        write_model(folder / "dense", CONFIGS[family]), torch.float32, torch.device("cpu")
    )
    block = meta_model.blocks[0]
    return trained_groups(block, linear_layers(block), refinement)


@pytest.mark.parametrize(
    "family", ["llama", "opt-projected", "gpt2-conv1d", "mixtral", "bloom-tuples"]
)
def test_the_halves_of_a_block_are_its_attention_and_the_rest(tmp_path: Path, family: str) -> None:
    whole, halves = (
        groups(tmp_path / scope, family, Refinement(scope, norms=False))
        for scope in ("block", "half")
    )
    first, second = halves
    assert len(whole) == 1
    assert whole[0].keys() == first.keys() | second.keys()
    assert all("attn" in name or "attention" in name for name in first)
    assert not any("attn" in name or "attention" in name for name in second)


def test_norms_are_trained_with_the_module_they_belong_to_or_with_both(tmp_path: Path) -> None:
    first, second = groups(tmp_path, "qwen3", Refinement("half"))
    outer = {"input_layernorm.weight", "post_attention_layernorm.weight"}
    inner = {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}
    assert outer | inner < first.keys()
    assert outer < second.keys()
    assert not inner & second.keys()
    assert not first["self_attn.q_norm.weight"]


def test_all_experts_of_a_parameter_are_trained_together(tmp_path: Path) -> None:
    (whole,) = groups(tmp_path, "mixtral", Refinement(norms=False))
    assert len(whole["mlp.experts.gate_up_proj"]) == 4


def test_a_block_without_pruned_layers_is_left_alone() -> None:
    assert trained_groups(torch.nn.Sequential(torch.nn.LayerNorm(2)), [], Refinement()) == []
