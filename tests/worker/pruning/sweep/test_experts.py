"""Mixtures of experts: the inputs of each expert, and how it is pruned."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.models import MIXTURES, random_ids, write_model
from tests.worker.pruning.sweeps import EVALUATION, sweep, tensors
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.fused_projections import layer_parts
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.planning.workload import Propagation
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.recipe.recipe import Recipe

PruneLayer = Callable[[LinearLayer, InputMoments], None]
HALF = Recipe(get_scorer("zpruner"), Unstructured(0.5))
ROUTERS = {
    "mixtral": "gate.weight",
    "qwen2-moe-shared": "gate.weight",
    "qwen3-moe": "gate.weight",
    "gpt-oss-interleaved": "router.",
    "llama4-bmm": "router.weight",
    "jetmoe-modules": "router.layer.weight",
    "deepseek-v3-latent": "gate.",
}


@pytest.mark.parametrize("propagation", ["fused", "reference"])
@pytest.mark.parametrize("family", MIXTURES)
def test_each_expert_is_pruned_to_the_sparsity_and_routers_keep_every_bit(
    tmp_path: Path, family: str, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES[family])
    recipe = Recipe(get_scorer("wanda"), Unstructured(0.5, "row"), propagation)
    reports, _ = sweep(dense, tmp_path / "out", recipe)

    experts = [layer for block in reports for layer in block.layers if layer.expert is not None]
    assert {layer.part for layer in experts} == {"gate", "up", None}
    assert all(2 * layer.zeros == layer.weights for block in reports for layer in block.layers)
    before, after = tensors(dense), tensors(tmp_path / "out")
    routers = [name for name in before if ROUTERS[family] in name]
    assert routers
    assert all(torch.equal(before[name], after[name]) for name in routers)
    zeros = sum(int((value == 0).sum()) for value in after.values())
    assert zeros - sum(int((value == 0).sum()) for value in before.values()) == sum(
        block.zeros for block in reports
    )


@pytest.mark.parametrize("family", MIXTURES)
def test_unpruned_parameters_are_listed(tmp_path: Path, family: str) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES[family])
    reports, _ = sweep(dense, tmp_path / "out", HALF)
    for block in reports:
        assert block.weights + sum(block.untouched.values()) == block.parameters
        assert block.coverage == block.weights / block.parameters > 0.9
        assert "input_layernorm.weight" in block.untouched
    assert any(ROUTERS[family] in name for block in reports for name in block.untouched)


@pytest.mark.parametrize("family", MIXTURES)
def test_the_loaded_folder_has_the_reported_loss(tmp_path: Path, family: str) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES[family])
    _, result = sweep(dense, tmp_path / "out", HALF)
    MIXTURES[family].save_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        logits = model(EVALUATION).logits[:, :-1]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), EVALUATION[:, 1:].flatten())
    assert result.pruned_loss == pytest.approx(float(loss), rel=1e-5)


def _model(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = deepcopy(MIXTURES[family])
    model = AutoModelForCausalLM.from_config(config, experts_implementation="eager").eval()
    for parameter in model.requires_grad_(False).parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=0.3)
    return model


def _forward(model: PreTrainedModel, ids: Tensor) -> Callable[[int], object]:
    return lambda batch: model(ids[batch : batch + 1], use_cache=False)


def _calibration(
    layers: Sequence[LinearLayer],
    forward: Callable[[int], object],
    batches: int,
    prune_layer: PruneLayer,
) -> BlockCalibration[InputMoments]:
    return BlockCalibration(layers, forward, batches, prune_layer, InputCollector(InputMoments))


def _into(met: dict[str, InputMoments]) -> PruneLayer:
    """Return a function that records the moments by the layers' names."""
    return lambda layer, moments: met.update({layer.name: moments})


@pytest.mark.parametrize(
    "family", ["mixtral", "qwen2-moe-shared", "qwen3-moe", "gpt-oss-interleaved"]
)
def test_moments_are_those_of_the_tokens_that_were_routed_to_an_expert(family: str) -> None:
    model, ids = _model(family), random_ids(3, 48)
    block = model.model.layers[0]
    calls: list[tuple[Tensor, Tensor]] = []
    block.mlp.experts.register_forward_pre_hook(lambda _, args: calls.append(args[:2]))
    met: dict[str, InputMoments] = {}
    layers = [layer for layer in linear_layers(block) if layer.expert is not None]

    _calibration(layers, _forward(model, ids), 3, _into(met)).run_reference()

    hidden, chosen = (torch.cat(values) for values in zip(*calls, strict=True))
    for up, down in zip(layers[::2], layers[1::2], strict=True):
        assert up.expert is not None
        inputs = hidden[torch.eq(chosen, up.expert).any(-1)]
        bias = getattr(block.mlp.experts, "gate_up_proj_bias", None)
        raw = inputs @ up.oriented(up.weight).T + (0 if bias is None else bias[up.expert])
        inner = block.mlp.experts._apply_gate(raw)
        for layer, expected in ((up, inputs), (down, inner)):
            assert met[layer.name].tokens == len(inputs) > 0
            torch.testing.assert_close(met[layer.name].sq_mean(), expected.square().mean(0))


def test_where_all_experts_get_all_tokens_only_the_routed_ones_count() -> None:
    model, ids = _model("llama4-bmm"), random_ids(3, 16)
    block = model.model.layers[1]
    chosen: list[Tensor] = []
    block.feed_forward.router.register_forward_hook(
        lambda *call: chosen.append(call[2][0].argmax(-1))
    )
    met: dict[str, InputMoments] = {}
    layers = [layer for layer in linear_layers(block) if layer.expert is not None]
    _calibration(layers, _forward(model, ids), 3, _into(met)).run_reference()
    counts = torch.cat(chosen).bincount(minlength=4).tolist()
    assert {name: moments.tokens for name, moments in met.items()} == {
        f"feed_forward.experts.{expert}.{name}": counts[expert]
        for expert in range(4)
        for name in ("gate_up_proj", "down_proj")
    }
    assert len(set(counts)) > 1


@pytest.mark.parametrize("family", MIXTURES)
def test_fused_equals_pruning_each_matrix_after_a_forward_of_its_own(family: str) -> None:
    ids = random_ids(4, 16)
    order: list[str] = []

    def halve(layer: LinearLayer, moments: InputMoments) -> None:
        order.append(layer.name)
        weight = layer.oriented(layer.weight)
        if moments.tokens:
            weight[:, moments.sq_mean() < moments.sq_mean().median()] *= 0.5

    fused = _model(family)
    _calibration(linear_layers(fused.model.layers[1]), _forward(fused, ids), 4, halve).run_fused()
    slow = _model(family)
    layers = {layer.name: layer for layer in linear_layers(slow.model.layers[1])}
    for name in tuple(order):
        _calibration([layers[name]], _forward(slow, ids), 4, halve).run_reference()

    assert sorted(order) == sorted(2 * list(layers))
    for layer in linear_layers(fused.model.layers[1]):
        torch.testing.assert_close(layer.weight, layers[layer.name].weight, msg=layer.name)


@pytest.mark.parametrize("family", MIXTURES)
def test_experts_whose_gate_rows_are_zero_have_zero_inner_inputs(family: str) -> None:
    model, ids = _model(family), random_ids(2, 16)
    block = model.model.layers[1]
    layers = [layer for layer in linear_layers(block) if layer.expert is not None]
    fused = [layer for layer in layers if len(layer_parts(layer, model.config)) == 2]
    for layer in fused:
        gate = layer_parts(layer, model.config)[0]
        layer.oriented(layer.weight)[gate.rows] = 0
    if family == "gpt-oss-interleaved":
        block.mlp.experts.gate_up_proj_bias.zero_()
    met: dict[str, InputMoments] = {}
    _calibration(layers, _forward(model, ids), 2, _into(met)).run_reference()
    width = len(fused[0].oriented(fused[0].weight)) // 2
    inner = [met[layer.name] for layer in layers if layer.inputs == width]
    assert len(inner) == len(fused)
    assert all(not moments.tokens or not moments.sq_mean().any() for moments in inner)


def test_a_glob_skips_one_expert(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["mixtral"])
    recipe = Recipe(get_scorer("zpruner"), Unstructured(0.5), skip=("*.experts.1.*",))
    reports, _ = sweep(dense, tmp_path / "out", recipe)
    before, after = tensors(dense), tensors(tmp_path / "out")
    for name in before:
        if ".experts." in name:
            assert torch.equal(before[name], after[name]) == (".experts.1." in name)
    assert reports[0].untouched["mlp.experts.down_proj"] == 32 * 48


class _EinsumExperts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up_proj = nn.Parameter(torch.ones(2, 4, 3), requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.einsum("td,ehd->teh", inputs, self.up_proj)


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_experts_that_are_used_in_an_unknown_way_are_refused(propagation: Propagation) -> None:
    block = _EinsumExperts()
    layers = linear_layers(block)
    calibration = _calibration(layers, lambda _: block(torch.ones(5, 3)), 1, lambda *_: None)
    run = calibration.run_fused if propagation == "fused" else calibration.run_reference
    with pytest.raises(UnsupportedModelError, match=r"einsum.*skip them with \*\.experts\.\*"):
        run()
    assert block.up_proj is dict(block.named_parameters())["up_proj"]
