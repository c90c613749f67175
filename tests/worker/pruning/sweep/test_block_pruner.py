"""Pruning one layer where a solver struggles: what is done instead, and what is said."""

import pytest
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_method
from worker.pruning.methods.solvers import SOLVERS, get_solver
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.gradients import BlockGradients
from worker.pruning.sweep.recipe import Recipe
from worker.pruning.sweep.report import LayerReport

WIDTH = 16


class _Given(GramMoments):
    """Moments whose Gram matrix is given, whatever inputs could have made it."""

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


def _prune(moments: GramMoments, solver: str, method: str = "wanda") -> tuple[LayerReport, Tensor]:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    stored = {"0.weight": layer.weight.clone()}
    recipe = Recipe(get_method(method), Unstructured(0.5), solver=get_solver(solver))
    pruner = BlockPruner("layers.3", stored, recipe, recipe.pattern, PretrainedConfig())
    pruner(layer, moments)
    assert torch.equal(layer.weight, stored["0.weight"])
    return pruner.reports[0], stored["0.weight"]


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_where_a_solver_fails_the_mask_by_score_stands_and_the_report_says_why(solver: str) -> None:
    report, weight = _prune(_Given(_with_eigenvalue(-40.0)), solver)
    assert report.fallback is not None
    assert "more calibration tokens may help" in report.fallback
    assert int((weight == 0).sum()) == report.zeros == 64


@pytest.mark.parametrize(("lowest", "damping"), [(0.5, 0.01), (-0.05, 0.1), (-0.5, 1.0)])
def test_the_report_says_how_much_sparsegpt_had_to_damp(lowest: float, damping: float) -> None:
    report, _ = _prune(_Given(_with_eigenvalue(lowest)), "sparsegpt")
    assert report.fallback is None
    assert report.damping == damping


@pytest.mark.parametrize("method", ["magnitude", "wanda", "ria", "zpruner"])
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_what_a_solver_zeros_for_want_of_inputs_counts_first(solver: str, method: str) -> None:
    inputs = torch.randn(100, WIDTH, generator=torch.Generator().manual_seed(1))
    inputs[:, ::2] = 0.0
    moments = GramMoments()
    moments.add(inputs)
    report, weight = _prune(moments, solver, method)
    assert report.zeros == 64
    assert not weight[:, ::2].any()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused_with_the_layers_name(wrong: float) -> None:
    moments = GramMoments()
    moments.add(torch.full((4, WIDTH), wrong))
    with pytest.raises(NotFiniteError, match=r"layers\.3\.0"):
        _prune(moments, "sparsegpt")


@pytest.mark.parametrize("tokens", [64, 4])
def test_a_gradient_counts_by_how_many_tokens_of_a_window_came(tokens: int) -> None:
    """The published score, of norms over windows, to a factor that is common to a layer."""
    seeded = torch.Generator().manual_seed(3)
    inputs, norm = torch.randn(tokens, WIDTH, generator=seeded), torch.rand(8, WIDTH) + 0.1
    moments = InputMoments()
    moments.add(inputs)
    block = nn.Sequential(nn.Linear(WIDTH, 8, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    weight = layer.weight.clone()
    recipe = Recipe(get_method("gblm"), Unstructured(0.5, "row"))
    gradients = BlockGradients({"0.weight": norm}, windows=2)
    pruner = BlockPruner(
        "b", {"0.weight": weight.clone()}, recipe, recipe.pattern, PretrainedConfig(), gradients
    )

    pruner(layer, moments)

    score = weight.abs() * ((inputs.square().sum(0) / 2).sqrt() + norm)
    assert torch.equal(layer.weight != 0, recipe.pattern.keep(score))
