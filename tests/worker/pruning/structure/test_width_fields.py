"""The fields of a config that decide the widths of MLPs are found by trying."""

from pathlib import Path

import pytest
import torch
from transformers import DeepseekV3Config

from tests.models import MIXTURES, write_model
from tests.worker.pruning.structure.removals import CONFIGS
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.width_fields import WidthField, width_fields


def fields_of(folder: Path) -> dict[str, WidthField]:
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    found = [mlp_channels(block, meta_model.config) for block in meta_model.blocks]
    return {field.name: field for field in width_fields(meta_model, found)}


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("llama", {"intermediate_size": 48}),
        ("opt-projected", {"ffn_dim": 48}),
        ("gpt2", {"n_inner": 128}),
        ("falcon-old", {"ffn_hidden_size": 128}),
        ("llama4-bmm", {"intermediate_size": 48, "intermediate_size_mlp": 40}),
        ("qwen2-moe-shared", {"moe_intermediate_size": 24, "shared_expert_intermediate_size": 40}),
        ("deepseek-v3-latent", {"intermediate_size": 48, "moe_intermediate_size": 24}),
    ],
)
def test_each_width_is_decided_by_a_field(
    tmp_path: Path, family: str, values: dict[str, int]
) -> None:
    found = fields_of(write_model(tmp_path / "dense", CONFIGS[family]))
    assert {name: field.value for name, field in found.items()} == values
    assert {count for field in found.values() for count in field.units.values()} == {1}


def test_a_field_may_decide_widths_that_are_its_multiples(tmp_path: Path) -> None:
    config = MIXTURES["deepseek-v3-latent"]
    assert isinstance(config, DeepseekV3Config)
    twice = DeepseekV3Config(**config.to_dict() | {"n_shared_experts": 2})
    field = fields_of(write_model(tmp_path / "dense", twice))["moe_intermediate_size"]
    assert field.units[1, "mlp.shared_experts.down_proj"] == 2
    assert field.units[1, "mlp.experts.0.down_proj"] == 1


def test_a_width_that_no_field_decides_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", CONFIGS["bloom"])
    text = r"'bloom' has no field for the width of transformer\.h\.0\.mlp\.dense_4h_to_h; set"
    with pytest.raises(UnsupportedModelError, match=text):
        fields_of(folder)
