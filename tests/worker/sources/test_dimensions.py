"""A config's numbers are held against the tensors before any module is built."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

from db.core.errors import SpecRefusedError
from db.spec.dimensions import check_dimensions
from db.spec.inputs.references import HubRepo, LocalPath
from db.spec.model_configs import check_configs
from tests.hub import Hub
from tests.models import FAMILIES, FUSED, MIXTURES, RECURRENT
from tests.worker.sources.builders import CONFIG, as_json, model_files, safetensors, write
from worker.sources.models import fetch_model, fetch_outline

EVERY = FAMILIES | MIXTURES | FUSED | RECURRENT
SHAPES = {f"model.layers.{index}.mlp.weight": (8, 4) for index in range(3)}


@pytest.mark.parametrize("family", EVERY)
def test_additional_tensors_that_model_families_save_are_accepted(
    tmp_path: Path, family: str
) -> None:
    config: PretrainedConfig = EVERY[family]
    (tmp_path / "config.json").write_text(config.to_json_string())
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shapes = {name: tuple(one.shape) for name, one in model.state_dict().items()}
    check_dimensions(check_configs(tmp_path, family), shapes, family)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"num_hidden_layers": 2_000_000}, "num_hidden_layers = 2000000, more than 1,024"),
        ({"num_hidden_layers": 4}, "num_hidden_layers = 4, but its tensors have 3 at most"),
        ({"n_layer": 1000}, "have 3"),
        ({"text_config": {"num_hidden_layers": 64}}, "text_config.num_hidden_layers = 64"),
        ({"num_local_experts": 9}, "have 8"),
        ({"n_routed_experts": 1 << 40}, "more than 1,024"),
        ({"vision_config": {"depth": 1 << 20}}, "vision_config.depth"),
        ({"hidden_size": 1 << 25}, "more than 16,777,216"),
        ({"vocab_size": 1e9}, "more than 16,777,216"),
        ({"mamba": {"d_inner": 1 << 30}}, "d_inner"),
        ({"stages": [{"num_blocks": 4096}]}, "stages.num_blocks"),
        ({"num_labels": 1 << 40}, "num_labels = 1099511627776, more than 65,536"),
        ({"max_position_embeddings": 1 << 40}, "more than 268,435,456"),
        ({"num_hidden_layers": -1}, "num_hidden_layers = -1, which is no size of a model"),
        ({"n_layer": 0}, "n_layer = 0"),
        ({"text_config": {"num_layers": -2}}, "text_config.num_layers = -2"),
        ({"hidden_size": -8}, "hidden_size = -8"),
        ({"num_attention_heads": 0}, "num_attention_heads = 0"),
        ({"vocab_size": -1}, "vocab_size = -1"),
    ],
)
def test_numbers_that_contradict_the_tensors_are_refused(
    config: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        check_dimensions(config, SHAPES, "org/model")
    assert (refused.value.field, refused.value.code) == ("model", "malformed_config")
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 3, "max_window_layers": 70, "rope_theta": 1_000_000_000},
        {"num_hidden_layers": 2, "num_local_experts": 8, "num_experts_per_tok": 2},
        {"max_position_embeddings": 10_485_760, "vocab_size": 262_400},
        {"vision_config": {"num_hidden_layers": 27}, "model_max_length": 10**30},
        {"tie_word_embeddings": True, "bos_token_id": 199_999, "sliding_window": None},
    ],
)
def test_numbers_of_real_configs_are_accepted(config: dict[str, Any]) -> None:
    check_dimensions(config, SHAPES, "org/model")


def test_a_model_with_a_false_number_is_refused_before_it_is_built_or_downloaded(
    hub: Hub, tmp_path: Path
) -> None:
    huge = as_json(CONFIG | {"num_hidden_layers": 2_000_000})
    weights = safetensors({"model.layers.0.weight": 3})
    files = model_files(config__json=huge, model__safetensors=weights)
    hub.add_model("org/huge", files)
    local = LocalPath(write(tmp_path / "huge", files), "local:huge")
    (tmp_path / "scratch").mkdir()
    fetches: list[Callable[[], object]] = [
        lambda: fetch_model(local),
        lambda: fetch_model(HubRepo("org/huge")),
        lambda: fetch_outline(HubRepo("org/huge"), tmp_path / "scratch"),
    ]
    for fetch in fetches:
        with pytest.raises(SpecRefusedError) as refused:
            fetch()
        assert refused.value.code == "malformed_config"
        assert "2000000" in refused.value.reason
    assert not any("range" not in one.headers for one in hub.downloads("model.safetensors"))
