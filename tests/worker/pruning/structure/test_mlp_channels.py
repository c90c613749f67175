"""The channels of the MLPs of many families."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.worker.pruning.structure.removals import CONFIGS, WITHOUT_MLP
from worker.pruning.model.blocks import find_blocks
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.units import Units

EXPERTS = [f"mlp.experts.{i}.down_proj" for i in range(4)]
FOUND = {
    "llama": {"mlp.down_proj": 48},
    "opt-projected": {"fc2": 48},
    "gpt2": {"mlp.c_proj": 128},
    "gpt-neox": {"mlp.dense_4h_to_h": 48},
    "bloom": {"mlp.dense_4h_to_h": 128},
    "mpt": {"ffn.down_proj": 128},
    "codegen": {"mlp.fc_out": 128},
    "phi3": {"mlp.down_proj": 48},
    "mixtral": dict.fromkeys(EXPERTS, 48),
    "qwen2-moe-shared": dict.fromkeys(EXPERTS, 24) | {"mlp.shared_expert.down_proj": 40},
    "gpt-oss-interleaved": dict.fromkeys(EXPERTS, 48),
    "jetmoe-modules": {f"mlp.output_linear.{i}": 48 for i in range(4)},
    "jamba": {"feed_forward.down_proj": 48},
    "rwkv-triples": {"feed_forward.value": 48},
}


def first_block(family: str) -> tuple[torch.nn.Module, list[Units]]:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(CONFIGS[family])
    block = find_blocks(model)[1][0]
    return block, mlp_channels(block, model.config.get_text_config())


@pytest.mark.parametrize("family", FOUND)
def test_every_mlp_and_every_expert_is_found_by_its_shapes(family: str) -> None:
    _, found = first_block(family)
    assert {units.name: units.count for units in found} == FOUND[family]


@pytest.mark.parametrize("family", sorted(WITHOUT_MLP))
def test_a_block_without_an_mlp_has_no_channels(family: str) -> None:
    assert first_block(family)[1] == []


@pytest.mark.parametrize(
    ("family", "parameter", "places"),
    [
        ("llama", "mlp.gate_proj.weight", [5]),
        ("opt-projected", "fc1.bias", [5]),
        ("phi3", "mlp.gate_up_proj.weight", [5, 53]),
        ("gpt-oss-interleaved", "mlp.experts.gate_up_proj_bias", [10, 11]),
        ("jetmoe-modules", "mlp.input_linear.weight", [5, 53]),
    ],
)
def test_a_channel_has_its_rows_of_gate_and_up_and_of_their_biases(
    family: str, parameter: str, places: list[int]
) -> None:
    _, (units, *_) = first_block(family)
    (slices,) = (one for one in units.slices if one.parameter == parameter)
    assert slices.places[5].tolist() == places


def test_a_channel_of_a_transposed_layer_is_a_row_of_the_reader() -> None:
    block, (units,) = first_block("gpt2")
    dims = {one.parameter: one.dim for one in units.slices}
    assert dims == {"mlp.c_proj.weight": 0, "mlp.c_fc.weight": 1, "mlp.c_fc.bias": 0}
    assert units.entries(dict(block.named_parameters())) == 2 * 32 + 1
