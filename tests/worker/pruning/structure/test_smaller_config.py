import json
from pathlib import Path

import pytest
import torch
from transformers import Gemma3Config, PretrainedConfig

from tests.models import FAMILIES, write_model
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import check_describes, smaller_config, write_config


def test_the_dense_config_is_not_changed() -> None:
    config = FAMILIES["llama"]
    assert smaller_config(config, {"intermediate_size": 32}).intermediate_size == 32
    assert config.intermediate_size == 48


@pytest.mark.parametrize(
    ("config", "fields", "place"),
    [
        (FAMILIES["gpt2-conv1d"], {"n_inner": 96}, ("n_inner",)),
        (FAMILIES["gpt2-conv1d"], {"num_hidden_layers": 2}, ("n_layer",)),
        (
            Gemma3Config(text_config=FAMILIES["gemma3-hybrid"].to_dict()),
            {"intermediate_size": 32},
            ("text_config", "intermediate_size"),
        ),
    ],
)
def test_a_field_is_written_where_the_decoder_reads_it(
    tmp_path: Path, config: PretrainedConfig, fields: dict[str, int], place: tuple[str, ...]
) -> None:
    (tmp_path / "out").mkdir()
    config.save_pretrained(tmp_path)
    write_config(tmp_path, tmp_path / "out", config, fields)
    before = json.loads((tmp_path / "config.json").read_text())
    after = json.loads((tmp_path / "out" / "config.json").read_text())
    (value,) = fields.values()
    changed = after
    for name in place[:-1]:
        changed, before_part = changed[name], before[name]
        assert changed == before_part | {place[-1]: value}
    assert changed[place[-1]] == value
    read = type(config).from_pretrained(tmp_path / "out").get_text_config()
    assert {name: getattr(read, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"intermediate_size": 40}, "mlp.gate_proj.weight of block 0 does not fit"),
        ({"num_hidden_layers": 2}, "it describes 2 blocks"),
        ({"num_attention_heads": 5}, "intermediate_size|num_attention_heads 5"),
    ],
)
def test_a_config_of_another_model_is_refused(
    tmp_path: Path, fields: dict[str, int], reason: str
) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    meta_model = MetaModel.open(tmp_path / "dense", torch.float32, torch.device("cpu"))
    blocks = [dict(block.named_parameters()) for block in meta_model.blocks]
    check_describes(meta_model, {}, blocks)
    with pytest.raises(UnsupportedModelError, match=reason):
        check_describes(meta_model, fields, blocks)
