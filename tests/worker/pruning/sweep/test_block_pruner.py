"""Pruning one layer where a solver fails or damps more: the fallback and the result."""

import pytest
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import SOLVERS, get_scorer, get_solver
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.stats.gradient_norms import BlockGradients
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import LayerResult

WIDTH = 16


class _Given(GramMoments):
    """Moments with a given Gram matrix."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.add(torch.ones(1, WIDTH))
        self._gram = Gram(matrix)


def _with_eigenvalue(lowest: float) -> Tensor:
    """Return a Gram matrix ``[16, 16]`` of unit diagonal, but for the lowest eigenvalue's share."""
    seeded = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=seeded))
    values = torch.ones(WIDTH)
    values[0] = lowest
    matrix: Tensor = basis @ values.diag() @ basis.T
    return matrix


def _prune(moments: GramMoments, solver: str, method: str = "wanda") -> tuple[LayerResult, Tensor]:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    stored = {"0.weight": layer.weight.clone()}
    recipe = Recipe(get_scorer(method), Unstructured(0.5), solver=get_solver(solver))
    strategy = recipe.strategy(recipe.pattern)
    pruner = BlockPruner("layers.3", stored, strategy, PretrainedConfig())
    pruner.prune_layer(layer, moments)
    assert torch.equal(layer.weight, stored["0.weight"])
    return pruner.results[0], stored["0.weight"]


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_where_a_solver_fails_the_mask_is_by_score_and_the_result_says_why(solver: str) -> None:
    report, weight = _prune(_Given(_with_eigenvalue(-40.0)), solver)
    assert report.fallback is not None
    assert "more calibration tokens may help" in report.fallback
    assert int((weight == 0).sum()) == report.zeros == 64


@pytest.mark.parametrize(("lowest", "damping"), [(0.5, 0.01), (-0.05, 0.1), (-0.5, 1.0)])
def test_the_result_says_how_much_damping_sparsegpt_needed(lowest: float, damping: float) -> None:
    report, _ = _prune(_Given(_with_eigenvalue(lowest)), "sparsegpt")
    assert report.fallback is None
    assert report.damping == damping


@pytest.mark.parametrize("method", ["magnitude", "wanda", "ria", "zpruner"])
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_weights_of_dead_inputs_count_towards_the_sparsity_first(solver: str, method: str) -> None:
    inputs = torch.randn(100, WIDTH, generator=torch.Generator().manual_seed(1))
    inputs[:, ::2] = 0.0
    moments = GramMoments()
    moments.add(inputs)
    report, weight = _prune(moments, solver, method)
    assert report.zeros == 64
    assert not weight[:, ::2].any()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused_with_the_name_of_the_layer(wrong: float) -> None:
    moments = GramMoments()
    moments.add(torch.full((4, WIDTH), wrong))
    with pytest.raises(NotFiniteError, match=r"layers\.3\.0"):
        _prune(moments, "sparsegpt")


@pytest.mark.parametrize("tokens", [64, 4])
def test_a_gradient_is_divided_by_the_root_of_the_tokens_of_a_window(tokens: int) -> None:
    """The score equals the published one, of norms over windows, up to a common factor."""
    seeded = torch.Generator().manual_seed(3)
    inputs, norm = torch.randn(tokens, WIDTH, generator=seeded), torch.rand(8, WIDTH) + 0.1
    moments = InputMoments()
    moments.add(inputs)
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    weight = layer.weight.clone()
    recipe = Recipe(get_scorer("gblm"), Unstructured(0.5, "row"))
    gradients = BlockGradients({"0.weight": norm}, windows=2)
    stored, strategy = {"0.weight": weight.clone()}, recipe.strategy(recipe.pattern)
    pruner = BlockPruner("b", stored, strategy, PretrainedConfig(), gradients)

    pruner.prune_layer(layer, moments)

    score = weight.abs() * ((inputs.square().sum(0) / 2).sqrt() + norm)
    assert torch.equal(layer.weight != 0, recipe.pattern.keep(score))
