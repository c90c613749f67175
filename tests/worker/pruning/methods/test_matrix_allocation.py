"""A sparsity for each matrix, against a search over all that are possible."""

from itertools import product

import pytest
import torch
from torch import Tensor

from worker.pruning.methods.allocation import MatrixScores
from worker.pruning.methods.matrix_allocation import MatrixAllocation, error_curve, least_error
from worker.pruning.methods.patterns import Scope, Unstructured

HALF = Unstructured(0.5)


def scores(*matrices: Tensor, tokens: int = 1) -> list[MatrixScores]:
    return [MatrixScores(str(at), matrix, tokens) for at, matrix in enumerate(matrices)]


def random_matrix(rows: int, columns: int, power: float = 1.0) -> Tensor:
    """Return scores of which fewer are large, the higher the power."""
    generator = torch.Generator().manual_seed(rows * columns)
    return torch.rand(rows, columns, generator=generator) ** power


def error_of(matrix: Tensor, dropped: int, scope: Scope) -> float:
    """Return the smallest entries' share of the squares, of the whole matrix or by row."""
    lines: list[list[float]] = [matrix.flatten().tolist()] if scope == "matrix" else matrix.tolist()
    each = dropped // len(lines)
    return sum(x * x for line in lines for x in sorted(line)[:each]) / float(matrix.square().sum())


@pytest.mark.parametrize("scope", ["matrix", "row"])
@pytest.mark.parametrize("sparsity", [0.25, 0.5, 0.75])
def test_no_other_counts_within_the_spread_leave_less_error(scope: Scope, sparsity: float) -> None:
    # A step of the curve is one weight of 16: 16 steps on either side are more than there are.
    shapes = {"matrix": (4, 4), "row": (2, 16)}
    matrices = [random_matrix(*shapes[scope], power) for power in (0.3, 1.0, 3.0)]
    lines = 1 if scope == "matrix" else 2
    requested, reach = round(16 * sparsity), 3

    pattern = Unstructured(sparsity, scope)
    curves = [error_curve(one, pattern, reach / 16) for one in scores(*matrices)]
    got = least_error(curves)

    allowed = range(requested - reach, requested + reach + 1)
    least = min(
        sum(error_of(one, lines * n, scope) for one, n in zip(matrices, counts, strict=True))
        for counts in product(allowed, repeat=3)
        if sum(counts) == 3 * requested
    )
    assert sum(got) == 3 * lines * requested
    assert all(count // lines in allowed for count in got)
    reached = sum(error_of(one, n, scope) for one, n in zip(matrices, got, strict=True))
    assert reached == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("scope", ["matrix", "row"])
@pytest.mark.parametrize("fill", [None, 0.0, 1.0])
def test_equal_curves_give_every_matrix_the_same_sparsity(scope: Scope, fill: float | None) -> None:
    matrix = random_matrix(6, 40) if fill is None else torch.full((6, 40), fill)
    got = MatrixAllocation().measure(Unstructured(0.5, scope), scores(matrix, matrix, matrix))
    assert set(got.values()) == {0.5}


def test_a_matrix_of_zeros_loses_most_and_the_total_stays() -> None:
    first, zeros = random_matrix(10, 50), -torch.ones(20, 20)  # Wanda scores zeros -1
    second = random_matrix(10, 50, 3.0)
    got = MatrixAllocation(0.2).measure(HALF, scores(first, zeros, second))
    assert got["1"] == max(got.values()) == pytest.approx(0.7)
    assert round(500 * got["0"]) + round(400 * got["1"]) + round(500 * got["2"]) == 700


def test_larger_weights_alone_spare_no_matrix_and_more_equal_ones_do() -> None:
    matrix, equal = random_matrix(8, 50), random_matrix(8, 50, 0.3)
    got = MatrixAllocation().measure(HALF, scores(matrix, 8 * matrix, equal))
    assert got["0"] == pytest.approx(got["1"], abs=0.02)
    assert got["2"] < 0.5 < got["0"]


@pytest.mark.parametrize("sparsity", [0.0, 0.03, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("scope", ["matrix", "row"])
def test_the_total_is_that_of_uniform_and_every_matrix_keeps_a_weight(
    sparsity: float, scope: Scope
) -> None:
    matrices = [random_matrix(8, 24), random_matrix(16, 40, 3.0), random_matrix(24, 20, 0.1)]
    pattern = Unstructured(sparsity, scope)

    got = MatrixAllocation().measure(pattern, scores(*matrices))

    dropped = [
        int((~Unstructured(share, scope).keep(one)).sum())
        for one, share in zip(matrices, got.values(), strict=True)
    ]
    uniform = sum(int((~pattern.keep(one)).sum()) for one in matrices)
    # By row, counts are multiples of the numbers of rows: of 8, 16 and 24.
    assert 0 <= uniform - sum(dropped) < (1 if scope == "matrix" else 8)
    assert all(0 <= share < 1 for share in got.values())


def test_tokens_count_so_that_a_rarely_used_expert_loses_more() -> None:
    matrix = random_matrix(8, 50)
    often, rarely = MatrixScores("often", matrix, 900), MatrixScores("rarely", matrix, 100)
    got = MatrixAllocation().measure(HALF, [often, rarely])
    assert got["rarely"] > 0.5 > got["often"]
    assert sum(got.values()) == pytest.approx(1.0)


def test_each_matrix_gets_its_own_pattern_and_the_others_the_models() -> None:
    first, second = MatrixAllocation().patterns(HALF, [{"q": 0.4, "v": 0.6}, None])
    assert first.of_matrix == {"q": Unstructured(0.4), "v": Unstructured(0.6)}
    assert (first.pattern, second.pattern, second.of_matrix) == (HALF, HALF, {})
