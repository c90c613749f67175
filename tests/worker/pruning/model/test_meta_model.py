"""For every family, the loss of a streamed forward is that of the loaded model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.models import (
    DEEPSEEK_V32,
    FAMILIES,
    FUSED,
    GEMMA4_ALONE,
    GEMMA4_SHARING,
    MIXTURES,
    RECURRENT,
    UNSUPPORTED,
    random_ids,
    write_model,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import CheckpointError, UnsupportedModelError
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.head_loss import mean_loss, window_losses
from worker.pruning.model.meta_model import MetaModel, check_is_causal, check_is_decoder

CPU = torch.device("cpu")
STREAMED = (
    FAMILIES | RECURRENT | {"gemma4-alone": GEMMA4_ALONE, "deepseek-v3.2-indexer": DEEPSEEK_V32}
)


@torch.no_grad()
def _streamed_loss(folder: Path, ids: torch.Tensor) -> float | None:
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
        return mean_loss(window_losses(meta_model, block_inputs, states, [ids], token_loss))


@pytest.mark.parametrize("family", STREAMED)
def test_the_streamed_loss_is_the_loss_of_the_loaded_model(tmp_path: Path, family: str) -> None:
    write_model(tmp_path, STREAMED[family])
    ids = random_ids(2, 24)
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        want = float(model(ids, labels=ids).loss)
    assert _streamed_loss(tmp_path, ids) == pytest.approx(want, rel=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", STREAMED)
def test_the_first_tokens_alone_have_the_outputs_that_they_have_in_whole_windows(
    tmp_path: Path, family: str
) -> None:
    meta_model = MetaModel.open(write_model(tmp_path, STREAMED[family]), torch.float32, CPU)
    block_inputs, states = BlockInputs(meta_model), list[torch.Tensor]()
    ids = random_ids(1, 23)
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
        block_inputs.embed([ids], states.append)
    block_inputs.add_first_tokens(ids.shape, 8)  # as many as an indexer always chooses
    for index in range(len(meta_model.blocks)):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            first = block_inputs.call(block, index, states[0][:, :8])
            states = [block_inputs.call(block, index, states[0])]
        # Kernels for other lengths round otherwise; the exponentials of Mamba magnify that.
        torch.testing.assert_close(first, states[0][:, :8], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("gpt-lists", "whose output is not shaped like their input"),
        ("gemma3n-streams", r"does not call its blocks with \[batch, tokens, hidden\]"),
        ("gemma4-tokens", "arguments that depend on the tokens"),
        ("glm-shared-indices", "more than the hidden state from block to block"),
        ("rwkv-rescaled", "changes the hidden state between its blocks"),
    ],
)
def test_the_error_for_blocks_that_cannot_run_alone_names_the_model_type(
    tmp_path: Path, family: str, reason: str
) -> None:
    kind = UNSUPPORTED[family].model_type
    with pytest.raises(UnsupportedModelError, match=f"type '{kind}'.*{reason}.*cannot be pruned"):
        _detect_output_format(write_model(tmp_path, UNSUPPORTED[family]))


def test_blocks_that_share_keys_raise_an_error(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "0", GEMMA4_SHARING))
    with torch.no_grad():  # else its arguments depend on the tokens as well
        model.model.embed_tokens_per_layer.weight.zero_()
        model.model.per_layer_model_projection.weight.zero_()
    model.save_pretrained(tmp_path / "1")
    with pytest.raises(UnsupportedModelError, match="blocks that share more than a state"):
        _detect_output_format(tmp_path / "1")


@torch.no_grad()
def _detect_output_format(folder: Path) -> None:
    meta_model = MetaModel.open(folder, torch.float32, CPU)
    with meta_model.loaded_embeddings():
        BlockInputs(meta_model).detect_output_format()


def test_the_error_for_an_incomplete_checkpoint_names_a_missing_tensor(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    smaller = FAMILIES["llama"].to_dict() | {"num_hidden_layers": 4, "layer_types": None}
    type(FAMILIES["llama"])(**smaller).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks 9 tensors.*model\.layers\.3\."):
        MetaModel.open(tmp_path, torch.float32, CPU)


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change a model's tensors and write them to one file."""
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
    ("family", "name", "message"),
    [
        (
            "llama",
            "model.layers.2.mlp.up_proj.weight",
            r"has shape \[47, 32\], .* has shape \[48, 32\]",
        ),
        ("llama", "model.norm.weight", r"has shape \[31\], .* has shape \[32\]"),
        (
            "mixtral-experts",
            "model.layers.1.block_sparse_moe.experts.2.w1.weight",
            "cannot be joined",
        ),
    ],
)
def test_the_error_for_a_tensor_of_another_shape_names_it(
    tmp_path: Path, family: str, name: str, message: str
) -> None:
    write_model(tmp_path, FAMILIES[family])
    _rewrite(tmp_path, lambda tensors: tensors.update({name: tensors[name][:-1].clone()}))
    with pytest.raises(CheckpointError, match=f"tensor '.*{message}"):
        MetaModel.open(tmp_path, torch.float32, CPU)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model_type": "brandnew"}, r"model type is 'brandnew' \(ValueError: .*brandnew"),
        ({"model_type": None}, "model type is None"),
        ({"num_attention_heads": 5}, "model type is 'llama'.*heads"),
        ({"hidden_size": "x"}, "model type is 'llama'.*hidden_size"),
        ({"hidden_act": "nope"}, "model type is 'llama'.*nope"),
    ],
)
def test_the_error_for_an_invalid_config_names_the_model_type(
    tmp_path: Path, entry: dict[str, object], message: str
) -> None:
    config = write_model(tmp_path, FAMILIES["llama"]) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | entry))
    with pytest.raises(UnsupportedModelError, match=f"{message}.*give a decoder") as refused:
        MetaModel.open(tmp_path, torch.float32, CPU)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("kind", ["t5", "vit", "bert", "roberta", "bart", "whisper"])
def test_a_model_that_is_not_a_decoder_raises_an_error(tmp_path: Path, kind: str) -> None:
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=f"a model of type '{kind}' is not a decoder"):
        MetaModel.open(tmp_path, torch.float32, CPU)


@pytest.mark.parametrize("family", sorted(FAMILIES | MIXTURES | FUSED | RECURRENT))
def test_every_family_of_decoders_is_accepted(family: str) -> None:
    config = (FAMILIES | MIXTURES | FUSED | RECURRENT)[family]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    check_is_decoder(config)
    check_is_causal(model)


def test_a_model_without_blocks_of_linear_layers_raises_an_error() -> None:
    with pytest.raises(UnsupportedModelError, match="no list of decoder blocks"):
        find_blocks(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_lists_of_experts_inside_blocks_are_not_mistaken_for_the_blocks() -> None:
    def block() -> torch.nn.Module:
        inner = torch.nn.Module()
        inner.experts = torch.nn.ModuleList(torch.nn.Linear(64, 64) for _ in range(8))
        return inner

    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList(block() for _ in range(2))
    assert find_blocks(model)[0] == "layers"


def test_computed_buffers_that_are_too_large_raise_an_error_before_they_are_computed(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path, FUSED["gpt-bigcode"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": 200_000}))
    with pytest.raises(UnsupportedModelError, match="bytes of computed buffers"):
        MetaModel.open(folder, torch.float32, CPU)
