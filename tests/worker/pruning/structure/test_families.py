"""Each method that removes units, on a model of each family: its folder runs, or it is refused."""

from pathlib import Path

import pytest
import torch
from transformers import (
    GemmaConfig,
    OlmoeConfig,
    PhiConfig,
    PretrainedConfig,
    Qwen2Config,
    Starcoder2Config,
)

from tests.models import FAMILIES, MIXTURES, RECURRENT, VOCABULARY, random_ids, write_model
from tests.worker.pruning.structure.removals import check_cut, removed, removing
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal

_GATED = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
MODELS: dict[str, PretrainedConfig] = {
    "olmoe": OlmoeConfig(**_GATED, num_experts=4, num_experts_per_tok=2),
    "qwen2": Qwen2Config(**_GATED),
    "phi": PhiConfig(**_GATED),
    "starcoder2": Starcoder2Config(**_GATED),
    "gemma": GemmaConfig(**_GATED, head_dim=8),
    "gpt-neox": FAMILIES["gpt-neox"],
    "opt": FAMILIES["opt-projected"],
    "gpt2": FAMILIES["gpt2-conv1d"],
    "mixture": MIXTURES["qwen2-moe-shared"],
    "hybrid": RECURRENT["bamba-pairs"],
}
METHODS: dict[str, Removal] = {
    "neurons": Neurons(0.2, repairs=False),
    "heads": Heads(0.25, repairs=False),
    "depth": Depth(0.4),
    "adapt": MeasuredUnits(0.3, Adapt(), repairs=False),
    "pgp": MeasuredUnits(0.3, Pgp(steps=1, windows=2, tokens=16, scored=2), repairs=False),
}
HEADS = {"qwen2": 0.15, "gemma": 0.15, "mixture": 0.06, "hybrid": 0.06}
"""The ratio that one of two heads is, where it is not that of the method above."""
WITHOUT_HEADS = {"olmoe", "gpt-neox", "opt", "gpt2"}
"""Families of which no head can be removed: ``heads`` is refused, and the measured methods remove
channels alone."""


@pytest.fixture(scope="module", params=MODELS)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def dense(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp(family) / "dense", MODELS[family])


@pytest.mark.parametrize("method", METHODS)
def test_the_folder_runs_in_transformers_with_the_logits_of_the_model_with_zeros(
    family: str, dense: Path, tmp_path: Path, method: str
) -> None:
    removal = METHODS[method]
    if method == "heads":
        if family in WITHOUT_HEADS:
            with pytest.raises(UnsupportedModelError, match=r"; (set method to|choose a method)"):
                removal.reduction(MetaModel.open(dense, torch.float32, torch.device("cpu")))
            return
        removal = Heads(HEADS.get(family, 0.25), repairs=False)
    found = removed(dense, tmp_path, removing(removal), random_ids(4, 16, seed=1))
    check_cut(dense, found)
