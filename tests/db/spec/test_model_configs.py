import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.model_configs import check_configs


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"configuration_files": ["config.4.0.0.json"]}, "configuration_files"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"model_type": "x" * 101}, "model_type"),
    ],
)
def test_a_config_that_names_another_file_or_no_type_is_refused(
    tmp_path: Path, config: dict[str, Any], says: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecRefusedError, match=says) as refused:
        check_configs(tmp_path, "local:it")
    assert (refused.value.field, refused.value.code) == ("model", "malformed_config")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_config_that_transformers_cannot_decode_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.json").write_bytes('{"model_type": "llama"}'.encode(encoding))
    with pytest.raises(SpecRefusedError, match="is not JSON"):
        check_configs(tmp_path, "local:it")


SCALED: dict[str, Any] = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def entry(folder: Path, value: Any) -> Path:
    (folder / "config.json").write_text(json.dumps({"quantization_config": value}))
    return folder


@pytest.mark.parametrize(
    "value",
    [
        SCALED,
        SCALED | {"fmt": "e4m3", "activation_scheme": "dynamic"},
        SCALED | {"modules_to_not_convert": ["lm_head", "model.layers.0.mlp.gate"]},
    ],
)
def test_8_bit_floats_with_scales_of_blocks_are_accepted_where_they_may_be(
    tmp_path: Path, value: dict[str, Any]
) -> None:
    config = check_configs(entry(tmp_path, value), "local:it", may_be_scaled=True)
    assert config == {"quantization_config": value}
    with pytest.raises(SpecRefusedError) as refused:
        check_configs(tmp_path, "local:it")
    assert refused.value.code == "quantized"
    assert "or set method to experts, without refine, recover" in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        [SCALED],
        SCALED | {"quant_method": "gptq"},
        SCALED | {"activation_scheme": "static"},
        SCALED | {"weight_block_size": None},
        SCALED | {"weight_block_size": [128]},
        SCALED | {"weight_block_size": [128, 0]},
        SCALED | {"modules_to_not_convert": ["model.layers.0.mlp.experts.3.up_proj"]},
    ],
)
def test_other_quantised_weights_are_refused_everywhere(tmp_path: Path, value: Any) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        check_configs(entry(tmp_path, value), "local:it", may_be_scaled=True)
    assert refused.value.code == "quantized"
    assert "Name the unquantised model it was made from." in str(refused.value)
