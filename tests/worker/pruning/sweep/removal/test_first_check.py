"""A removal that a block does not allow is refused before anything is measured."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, OPTConfig, PretrainedConfig
from transformers.activations import ACT2FN

from tests.models import RECURRENT, VOCABULARY, random_ids, write_model
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal
from worker.pruning.sweep.pipeline import ModelPruner, SweepStep
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.removal.first_check import check_removal

COUPLED = "over all channels"
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}


@pytest.fixture
def coupled(monkeypatch: pytest.MonkeyPatch) -> PretrainedConfig:
    """The config of a Llama with an activation function that reads all channels."""
    monkeypatch.setitem(ACT2FN, COUPLED, (nn.Softmax, {"dim": -1}))
    return LlamaConfig(**SIZES, num_attention_heads=2, vocab_size=VOCABULARY, hidden_act=COUPLED)


def open_model(folder: Path, config: PretrainedConfig) -> MetaModel:
    write_model(folder / "dense", config)
    return MetaModel.open(folder / "dense", torch.float32, torch.device("cpu"))


def check(meta_model: MetaModel, removal: Removal) -> None:
    inputs = BlockInputs(meta_model)
    with torch.no_grad(), meta_model.loaded_embeddings():
        inputs.detect_output_format()
    with torch.no_grad():
        check_removal(meta_model, inputs, removal)


def test_units_that_depend_on_each_other_are_refused_before_they_are_measured(
    tmp_path: Path, coupled: PretrainedConfig
) -> None:
    removal = MeasuredUnits(0.2, Pgp(steps=2, windows=2, tokens=16, scored=2))
    recipe = Recipe(None, Unstructured(0.0), removal=removal)
    out = tmp_path / "out"
    out.mkdir()
    windows = random_ids(4, 16)
    model = open_model(tmp_path, coupled)
    steps = ModelPruner(model, recipe, windows, windows[:0], out, token_loss).steps()
    measured: list[SweepStep] = []
    with pytest.raises(UnsupportedModelError, match="not computed feature by feature"):
        measured.extend(steps)
    assert measured == []


def test_one_block_of_each_kind_is_checked(tmp_path: Path, coupled: PretrainedConfig) -> None:
    with pytest.raises(UnsupportedModelError, match="not computed feature by feature"):
        check(open_model(tmp_path / "coupled", coupled), Neurons(0.2))
    hybrid = open_model(tmp_path / "hybrid", RECURRENT["bamba-pairs"])
    check(hybrid, Neurons(0.2))
    check(hybrid, Depth(0.3))


def test_blocks_that_do_more_than_add_to_the_hidden_state_are_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "ffn_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    normed = OPTConfig(**sizes, vocab_size=VOCABULARY, do_layer_norm_before=False)
    with pytest.raises(UnsupportedModelError, match="do more than add to the hidden state"):
        check(open_model(tmp_path, normed), Depth(0.3))
