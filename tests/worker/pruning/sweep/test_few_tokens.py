"""Experts that few calibration tokens reach: how they are pruned, and the reported reason."""

from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tests.models import MIXTURES, write_model
from tests.worker.pruning.sweeps import CALIBRATION, sweep, tensors
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import SOLVERS, get_scorer, get_solver
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.sweep.recipe.recipe import Recipe

HALF = Recipe(get_scorer("zpruner"), Unstructured(0.5))


# Each family, and each solver, with few tokens and with enough.
CASES = [
    (family, solver, windows)
    for windows, first in ((8, 0), (150, 1))
    for family, solver in zip(MIXTURES, islice(cycle(SOLVERS), first, None), strict=False)
]


def test_an_expert_that_too_few_tokens_reach_is_pruned_by_magnitude(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["mixtral"])
    reports, _ = sweep(dense, tmp_path / "out", HALF, CALIBRATION[:1])
    before, after = tensors(dense), tensors(tmp_path / "out")
    for block in reports:
        for layer in block.layers:
            few = layer.expert is not None
            assert layer.fallback == (
                f"{layer.tokens} calibration tokens reached this layer, fewer than 32: "
                "pruned by magnitude"
                if few
                else None
            )
    for name, weight in before.items():
        if ".experts." in name:
            gone = weight[after[name] == 0].abs()
            assert gone.max() <= weight[after[name] != 0].abs().min(), name


@pytest.mark.parametrize(("family", "solver", "windows"), CASES)
def test_experts_are_repaired_where_enough_tokens_reach_them(
    tmp_path: Path, family: str, solver: str, windows: int
) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES[family])
    recipe = replace(HALF, solver=get_solver(solver), correction=0.3)
    reports, _ = sweep(dense, tmp_path / "out", recipe, CALIBRATION[:windows])
    layers = [layer for block in reports for layer in block.layers]
    assert all(2 * layer.zeros == layer.weights for layer in layers)

    model = AutoModelForCausalLM.from_pretrained(dense)
    inputs = {
        one.weight_name: one.inputs for block in model.model.layers for one in linear_layers(block)
    }
    fewest = {layer: 2 * inputs[layer.name] if layer.expert is not None else 1 for layer in layers}
    for layer in layers:
        assert (layer.fallback is None) == (layer.tokens >= fewest[layer])
    left = [layer for layer in layers if layer.fallback and layer.tokens >= 32]
    assert all(
        layer.fallback
        == f"{layer.tokens} calibration tokens reached this layer, fewer than {fewest[layer]}: "
        "pruned by score, without repair"
        for layer in left
    )
    assert bool(left) == (windows == 8)
