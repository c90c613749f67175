"""A recipe without a scorer and a solver keeps the zeros of a checkpoint and changes no bit."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.sweeps import sweep, tensors
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.planning.workload import Propagation
from worker.pruning.sweep.recipe.recipe import Recipe


def _sparse(folder: Path, family: str) -> Path:
    """Write a model with zeros of both signs in all of its parameters."""
    model = AutoModelForCausalLM.from_pretrained(write_model(folder / "first", FAMILIES[family]))
    for index, parameter in enumerate(model.parameters()):
        zeros = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(index)) < 0.3
        parameter.data[zeros] *= 0.0
    model.save_pretrained(folder / "dense")
    return folder / "dense"


def _is_pruned(name: str, weight: torch.Tensor) -> bool:
    """Whether a pruning job would prune this parameter."""
    in_block = ".layers." in name or "h." in name
    return in_block and weight.ndim == 2 and not name.endswith("gate.weight")


@pytest.mark.parametrize("family", ["llama", "gpt2-conv1d", "mixtral-experts"])
@pytest.mark.parametrize("propagation", ["fused", "reference"])
@pytest.mark.parametrize("windows", [0, 4])
def test_weights_keep_their_bits_and_their_zeros_are_counted(
    tmp_path: Path, family: str, propagation: Propagation, windows: int
) -> None:
    dense = _sparse(tmp_path, family)
    recipe = Recipe(None, Unstructured(0.0), propagation)

    reports, result = sweep(dense, tmp_path / "out", recipe, random_ids(4, 16)[:windows])

    before, after = tensors(dense), tensors(tmp_path / "out")
    assert before.keys() == after.keys()
    for name, old in before.items():
        assert torch.equal(old.view(torch.int32), after[name].view(torch.int32)), name
    pruned = [weight for name, weight in before.items() if _is_pruned(name, weight)]
    assert any(weight[weight == 0].signbit().any() for weight in pruned)
    layers = [layer for report in reports for layer in report.layers]
    assert sum(layer.zeros for layer in layers) == sum(int((w == 0).sum()) for w in pruned)
    assert sum(layer.weights for layer in layers) == sum(weight.numel() for weight in pruned)
    assert not any(layer.fallback for layer in layers)
    assert result.dense_loss == result.pruned_loss
