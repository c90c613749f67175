"""What is known of a result before any work is said: who cannot read it, and what it costs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, VOCABULARY, write_model
from worker.jobs.recipes import recipe_of
from worker.jobs.result.result_warnings import result_warnings
from worker.pruning.model.meta_model import MetaModel

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": VOCABULARY}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
QWEN2 = Qwen2Config(**SIZES, **HEADS, intermediate_size=48)


def llama(width: int) -> PretrainedConfig:
    return LlamaConfig(**SIZES, **HEADS, intermediate_size=width)


def warnings_of(folder: Path, config: PretrainedConfig, **fields: Any) -> list[str]:
    folder = write_model(folder / "dense", config)
    spec = PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields)
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    return result_warnings(recipe_of(spec), meta_model)


@pytest.mark.parametrize(("method", "ratio"), [("heads", 0.15), ("adapt", 0.3), ("pgp", 0.3)])
def test_fewer_heads_of_a_family_without_a_field_for_their_width_are_warned_of(
    tmp_path: Path, method: str, ratio: float
) -> None:
    warning, *_ = warnings_of(tmp_path, QWEN2, method=method, ratio=ratio)
    assert warning.startswith("The smaller model has 2 heads of 8 features for a hidden state of")
    assert "a config of type 'qwen2' has no field of its own" in warning
    assert warning.endswith("Set method to neurons for these programs.")


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (FAMILIES["llama"], {"method": "heads", "ratio": 0.15}),
        (FAMILIES["qwen3"], {"method": "heads", "ratio": 0.15}),
        (QWEN2, {"method": "neurons", "ratio": 0.2}),
        (QWEN2, {"method": "depth", "ratio": 0.5}),
        (QWEN2, {"method": "adapt", "ratio": 0.3, "uniform": False}),
        (FAMILIES["gpt2-conv1d"], {"method": "neurons", "ratio": 0.04}),
        (llama(96), {"method": "neurons", "ratio": 0.25}),
        (llama(96), {"method": "none", "quantize": "w4a16"}),
        (llama(88), {"method": "none", "quantize": {"scheme": "w4a16", "group_size": 8}}),
        (llama(88), {"method": "depth", "ratio": 0.5}),
        (llama(88), {"sparsity": 0.5}),
    ],
)
def test_of_a_result_without_these_costs_nothing_is_said(
    tmp_path: Path, config: PretrainedConfig, fields: dict[str, Any]
) -> None:
    assert warnings_of(tmp_path, config, **fields) == []


def test_a_width_that_forces_groups_of_eight_is_warned_of(tmp_path: Path) -> None:
    (warning,) = warnings_of(tmp_path, llama(96), method="neurons", ratio=0.062)
    assert warning.startswith(
        "The smaller model (intermediate_size 88) can be quantised in groups of 8 only, so that a "
        "weight of 4 bits takes 6 with its share of a scale of 16 bits"
    )


@pytest.mark.parametrize(("scheme", "bits", "taken"), [("w4a16", 4, 6), ("w8a16", 8, 10)])
def test_a_quantisation_in_groups_of_eight_is_warned_of(
    tmp_path: Path, scheme: str, bits: int, taken: int
) -> None:
    (warning,) = warnings_of(tmp_path, llama(88), method="none", quantize=scheme)
    assert f"so that a weight of {bits} bits takes {taken} with its share of a scale" in warning
    assert "no larger group divides the rows of all its matrices" in warning
