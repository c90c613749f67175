"""A streamed forward is the model's own, for every family."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.models import (
    DEEPSEEK_V32,
    ENTANGLED,
    FAMILIES,
    FUSED,
    GEMMA4_ALONE,
    GEMMA4_SHARING,
    MIXTURES,
    RECURRENT,
    random_ids,
    write_model,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import CheckpointError, UnsupportedModelError
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.head_loss import mean_loss
from worker.pruning.model.meta_model import MetaModel, refuse_encoders, refuse_others

CPU = torch.device("cpu")
STREAMED = (
    FAMILIES | RECURRENT | {"gemma4-alone": GEMMA4_ALONE, "deepseek-v3.2-choosing": DEEPSEEK_V32}
)


@torch.no_grad()
def _streamed_loss(folder: Path, ids: torch.Tensor) -> float:
    meta_model = MetaModel.open(folder, torch.float32, CPU)
    block_inputs = BlockInputs(meta_model)
    states: list[torch.Tensor] = []
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
        block_inputs.embed([ids], states.append)
    for index in range(len(meta_model.blocks)):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            states = [block_inputs.call(block, index, hidden) for hidden in states]
    assert all(parameter.is_meta for parameter in meta_model.model.parameters())
    with meta_model.loaded_head():
        return mean_loss(meta_model, block_inputs, states, [ids], token_loss)


@pytest.mark.parametrize("family", STREAMED)
def test_the_streamed_loss_is_the_loss_of_the_loaded_model(tmp_path: Path, family: str) -> None:
    write_model(tmp_path, STREAMED[family])
    ids = random_ids(2, 24)
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        want = float(model(ids, labels=ids).loss)
    assert _streamed_loss(tmp_path, ids) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("gpt-lists", "do not return a hidden state like the one given"),
        ("gemma3n-streams", r"does not give its blocks \[batch, tokens, hidden\]"),
        ("gemma4-tokens", "arguments that depend on the tokens"),
        ("glm-shared-choices", "more of the one before it than the hidden state"),
        ("rwkv-rescaled", "changes the hidden state between its blocks"),
    ],
)
def test_blocks_that_do_not_stand_alone_are_refused_with_the_model_type(
    tmp_path: Path, family: str, why: str
) -> None:
    kind = ENTANGLED[family].model_type
    with pytest.raises(UnsupportedModelError, match=f"type '{kind}'.*{why}.*cannot be swept"):
        _learn_form(write_model(tmp_path, ENTANGLED[family]))


def test_blocks_that_share_keys_are_refused(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "0", GEMMA4_SHARING))
    with torch.no_grad():  # else its arguments depend on the tokens as well
        model.model.embed_tokens_per_layer.weight.zero_()
        model.model.per_layer_model_projection.weight.zero_()
    model.save_pretrained(tmp_path / "1")
    with pytest.raises(UnsupportedModelError, match="blocks that share more than a state"):
        _learn_form(tmp_path / "1")


@torch.no_grad()
def _learn_form(folder: Path) -> None:
    meta_model = MetaModel.open(folder, torch.float32, CPU)
    with meta_model.loaded_embeddings():
        BlockInputs(meta_model).detect_output_format()


def test_a_checkpoint_that_lacks_a_tensor_is_refused_with_its_name(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    smaller = FAMILIES["llama"].to_dict() | {"num_hidden_layers": 4, "layer_types": None}
    type(FAMILIES["llama"])(**smaller).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks 9 tensors.*model\.layers\.3\."):
        MetaModel.open(tmp_path, torch.float32, CPU)


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change a model's tensors, and put them into one file."""
    checkpoint = Checkpoint.open(folder)
    tensors = {name: checkpoint.read(name) for name in checkpoint.tensors}
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("stored", ["head alone", "both alike", "both, and they differ"])
def test_tied_embeddings_are_loaded_as_transformers_does(tmp_path: Path, stored: str) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        embeddings = tensors["model.embed_tokens.weight"]
        tensors["lm_head.weight"] = embeddings * (2 if stored.endswith("differ") else 1)
        if stored == "head alone":
            del tensors["model.embed_tokens.weight"]

    _rewrite(write_model(tmp_path, FAMILIES["llama-tied"]), change)
    ids = random_ids(2, 24)
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        want = float(model(ids, labels=ids).loss)
    assert _streamed_loss(tmp_path, ids) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("family", "name", "says"),
    [
        ("llama", "model.layers.2.mlp.up_proj.weight", r"comes as \[47, 32\], .* is \[48, 32\]"),
        ("llama", "model.norm.weight", r"comes as \[31\], .* is \[32\]"),
        (
            "mixtral-experts",
            "model.layers.1.block_sparse_moe.experts.2.w1.weight",
            "do not fit each other",
        ),
    ],
)
def test_a_tensor_of_another_shape_is_refused_with_its_name(
    tmp_path: Path, family: str, name: str, says: str
) -> None:
    write_model(tmp_path, FAMILIES[family])
    _rewrite(tmp_path, lambda tensors: tensors.update({name: tensors[name][:-1].clone()}))
    with pytest.raises(CheckpointError, match=f"tensor '.*{says}"):
        MetaModel.open(tmp_path, torch.float32, CPU)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"model_type": "brandnew"}, r"model type is 'brandnew' \(ValueError: .*brandnew"),
        ({"model_type": None}, "model type is None"),
        ({"num_attention_heads": 5}, "model type is 'llama'.*heads"),
        ({"hidden_size": "x"}, "model type is 'llama'.*hidden_size"),
        ({"hidden_act": "nope"}, "model type is 'llama'.*nope"),
    ],
)
def test_a_config_that_transformers_cannot_read_is_refused_with_the_model_type(
    tmp_path: Path, entry: dict[str, object], says: str
) -> None:
    config = write_model(tmp_path, FAMILIES["llama"]) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | entry))
    with pytest.raises(UnsupportedModelError, match=f"{says}.*give a decoder") as refused:
        MetaModel.open(tmp_path, torch.float32, CPU)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("kind", ["t5", "vit", "bert", "roberta", "bart", "whisper"])
def test_a_model_that_is_no_decoder_is_called_that(tmp_path: Path, kind: str) -> None:
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=f"a model of type '{kind}' is no decoder"):
        MetaModel.open(tmp_path, torch.float32, CPU)


@pytest.mark.parametrize("family", sorted(FAMILIES | MIXTURES | FUSED | RECURRENT))
def test_no_decoder_is_taken_for_something_else(family: str) -> None:
    config = (FAMILIES | MIXTURES | FUSED | RECURRENT)[family]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    refuse_others(config)
    refuse_encoders(model)


def test_a_model_without_blocks_of_linears_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="no list of decoder blocks"):
        find_blocks(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_the_inner_lists_of_experts_are_not_taken_for_the_blocks() -> None:
    def block() -> torch.nn.Module:
        inner = torch.nn.Module()
        inner.experts = torch.nn.ModuleList(torch.nn.Linear(64, 64) for _ in range(8))
        return inner

    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList(block() for _ in range(2))
    assert find_blocks(model)[0] == "layers"


def test_tables_that_would_take_all_memory_are_refused_before_they_are_made(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path, FUSED["gpt-bigcode"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": 200_000}))
    with pytest.raises(UnsupportedModelError, match="tables that no checkpoint stores"):
        MetaModel.open(folder, torch.float32, CPU)
