"""The rows of fused projections are tested against the outputs of the models."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from tests.models import FAMILIES, FUSED, MIXTURES, random_ids, write_model
from tests.worker.pruning.sweeps import sweep
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.fused_projections import has_unknown_layout, layer_parts
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.sweep.recipe.recipe import Recipe

IDS = random_ids(2, 12)


def _model(config: PretrainedConfig) -> PreTrainedModel:
    """Return a random model without biases, so that zero rows give zeros."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for name, parameter in model.requires_grad_(False).named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=0.3)
        elif name.endswith("bias"):
            parameter.zero_()
    return model


def _fused(model: PreTrainedModel) -> list[LinearLayer]:
    _, blocks = find_blocks(model)
    layers = [layer for block in blocks for layer in linear_layers(block)]
    return [
        layer
        for layer in layers
        if {"q", "k", "v"} <= {p.name for p in layer_parts(layer, model.config)}
    ]


def _scale(model: PreTrainedModel, part: str, factor: float) -> None:
    for layer in _fused(model):
        for one in layer_parts(layer, model.config):
            if one.name == part:
                layer.oriented(layer.weight)[one.rows] *= factor


def _logits(model: PreTrainedModel) -> Tensor:
    logits: Tensor = model(IDS, use_cache=False).logits
    return logits


def _next_inputs(model: PreTrainedModel) -> list[Tensor]:
    """Return the inputs of the layer that runs after each fused one."""
    inputs: list[Tensor] = []
    calls: list[nn.Module] = []
    fused = {layer.module for layer in _fused(model)}

    def record(module: nn.Module, args: tuple[Tensor]) -> None:
        if calls and calls[-1] in fused:
            inputs.append(args[0])
        calls.append(module)

    for block in find_blocks(model)[1]:
        for layer in linear_layers(block):
            layer.module.register_forward_pre_hook(record)
    _logits(model)
    return inputs


@pytest.mark.parametrize("family", FUSED)
def test_attention_outputs_are_zero_if_the_rows_of_v_are(family: str) -> None:
    model = _model(FUSED[family])
    assert all(inputs.any() for inputs in _next_inputs(model))
    _scale(model, "v", 0.0)
    inputs = _next_inputs(model)
    assert len(inputs) == 3
    assert not any(one.any() for one in inputs)


@pytest.mark.parametrize("family", FUSED)
@pytest.mark.parametrize(("zeroed", "scaled"), [("k", "q"), ("q", "k")])
def test_queries_have_no_effect_if_keys_are_zero_and_the_reverse(
    family: str, zeroed: str, scaled: str
) -> None:
    model = _model(FUSED[family])
    before = _logits(model)
    _scale(model, zeroed, 0.0)
    without = _logits(model)
    assert not torch.allclose(before, without)
    _scale(model, scaled, 3.0)
    torch.testing.assert_close(_logits(model), without)


@pytest.mark.parametrize("family", FUSED)
def test_every_row_belongs_to_one_part(family: str) -> None:
    model = _model(FUSED[family])
    for layer in _fused(model):
        rows = torch.arange(len(layer.oriented(layer.weight)))
        covered = torch.cat([rows[part.rows] for part in layer_parts(layer, model.config)])
        assert torch.equal(covered.sort().values, rows)


@pytest.mark.parametrize("solver", [None, "alps"])
@pytest.mark.parametrize("family", FUSED)
def test_each_part_is_pruned_to_the_exact_sparsity(
    tmp_path: Path, family: str, solver: str | None
) -> None:
    dense = write_model(tmp_path / "dense", FUSED[family])
    recipe = Recipe(
        get_scorer("zpruner"),
        Unstructured(0.6),
        solver=get_solver(solver) if solver else None,
    )
    reports, _ = sweep(dense, tmp_path / "out", recipe)
    for block in reports:
        split = [layer for layer in block.layers if layer.part in ("q", "k", "v")]
        assert {layer.part for layer in split} == {"q", "k", "v"}
        assert all(layer.zeros == round(0.6 * layer.weights) for layer in block.layers)


def test_the_parts_of_latent_attention_are_values_and_latent() -> None:
    model = _model(MIXTURES["deepseek-v3-latent"])
    block = model.model.layers[0]
    layers = {layer.name.rpartition(".")[2]: layer for layer in linear_layers(block)}
    values = {part.name: part for part in layer_parts(layers["kv_b_proj"], model.config)}["v"]
    weight = layers["kv_b_proj"].weight
    weight[values.rows] = 0
    given = _inputs_of(layers["o_proj"], model)
    assert not given.any()
    latent = {p.name: p for p in layer_parts(layers["kv_a_proj_with_mqa"], model.config)}["latent"]
    layers["kv_a_proj_with_mqa"].weight[latent.rows] = 0
    assert not _inputs_of(layers["kv_b_proj"], model).any()


def _inputs_of(layer: LinearLayer, model: PreTrainedModel) -> Tensor:
    seen: list[Tensor] = []
    hook = layer.module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    _logits(model)
    hook.remove()
    return seen[0]


def test_a_fused_matrix_of_an_unlisted_model_has_one_part_and_an_unknown_layout() -> None:
    block = nn.ModuleDict({"qkv_proj": nn.Linear(4, 12), "o_proj": nn.Linear(4, 4)})
    fused, plain = linear_layers(block)
    config = FAMILIES["llama"]
    assert [part.rows for part in layer_parts(fused, config)] == [slice(None)]
    assert has_unknown_layout(fused, config)
    assert not has_unknown_layout(plain, config)


def test_a_layout_that_does_not_match_the_matrix_is_not_used() -> None:
    (layer,) = linear_layers(nn.ModuleDict({"c_attn": nn.Linear(32, 95)}))
    assert [part.name for part in layer_parts(layer, FUSED["gpt2"])] == [None]
    assert has_unknown_layout(layer, FUSED["gpt2"])
