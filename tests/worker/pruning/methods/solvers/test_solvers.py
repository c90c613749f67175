"""Properties of every solver."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import output_error, random_layer
from worker.pruning.base.errors import ShapeError, SolverFailedError
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import PUBLISHED_SOLVERS, SOLVERS
from worker.pruning.methods.solvers.exact import Exact
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.stats.gram import Gram

Solve = Callable[..., Tensor]


@pytest.fixture(
    params=[*SOLVERS.values(), PUBLISHED_SOLVERS["alps"]],
    ids=[*SOLVERS, "alps as published"],
)
def solve(request: pytest.FixtureRequest) -> Solve:
    solver: Solver = request.param

    def run(
        weight: Tensor,
        gram: Gram,
        pattern: Pattern,
        score: Tensor | None = None,
        damping: float = PUBLISHED_SOLVERS[solver.name].damping,
    ) -> Tensor:
        return solver.solve(weight, gram, pattern, score, damping)

    return run


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (13, 129), (40, 33)])
@pytest.mark.parametrize("sparsity", [0.0, 0.35, 0.5, 0.9])
@pytest.mark.parametrize("scored", [False, True])
def test_exactly_the_requested_number_of_weights_is_zero(
    solve: Solve, shape: tuple[int, int], sparsity: float, scored: bool
) -> None:
    weight, gram = random_layer(*shape)
    got = solve(weight, gram, Unstructured(sparsity), weight.abs() if scored else None)
    assert (got == 0).sum() == round(weight.numel() * sparsity)
    assert got.isfinite().all()


@pytest.mark.parametrize("scored", [False, True])
def test_each_row_loses_its_own_share_in_row_scope(solve: Solve, scored: bool) -> None:
    weight, gram = random_layer(6, 140)
    got = solve(weight, gram, Unstructured(0.35, "row"), weight.abs() if scored else None)
    assert (got == 0).sum(1).tolist() == [49] * 6


@pytest.mark.parametrize(("n", "m", "width"), [(2, 4, 36), (1, 3, 135), (4, 8, 8), (3, 5, 150)])
@pytest.mark.parametrize("scored", [False, True])
def test_every_group_keeps_n_of_m(solve: Solve, n: int, m: int, width: int, scored: bool) -> None:
    weight, gram = random_layer(5, width)
    got = solve(weight, gram, NofM(n, m), weight.abs() if scored else None)
    assert ((got != 0).view(5, -1, m).sum(-1) == n).all()


def test_damping_keeps_the_kept_weights_close_to_the_dense_ones(solve: Solve) -> None:
    weight, gram = random_layer(12, 30)
    score = weight.abs()
    changes = [
        float((solve(weight, gram, Unstructured(0.5), score, damping) - weight)[keep].norm())
        for damping in (0.01, 0.1, 1.0)
        for keep in [Unstructured(0.5).keep(score)]
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[2] < 0.9 * changes[0]


def test_a_score_alone_decides_the_mask(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    score = torch.rand(6, 20, generator=torch.Generator().manual_seed(1))
    got = solve(weight, gram, Unstructured(0.5), score)
    assert torch.equal(got != 0, Unstructured(0.5).keep(score))


def test_at_sparsity_0_the_weights_hardly_change(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    torch.testing.assert_close(solve(weight, gram, Unstructured(0.0)), weight, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_solver_does_not_change_its_arguments(
    solve: Solve, dtype: torch.dtype, transposed: bool
) -> None:
    weight, gram = random_layer(6, 20)
    weight = weight.to(dtype)
    if transposed:  # as GPT-2 stores it: its transpose is contiguous
        weight = weight.T.contiguous().T
    before, matrix = weight.clone(), gram.matrix.clone()
    got = solve(weight, gram, Unstructured(0.5))
    assert got.dtype == torch.float32
    assert got.is_contiguous()
    assert torch.equal(weight, before)
    assert torch.equal(gram.matrix, matrix)


def test_dropped_weights_are_plus_zero(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    weight[0] = -0.0
    got = solve(weight, gram, Unstructured(0.5))
    assert not got[got == 0].signbit().any()


def test_the_same_call_gives_the_same_bytes(solve: Solve) -> None:
    weight, gram = random_layer(24, 72)
    first = solve(weight, Gram(gram.matrix), Unstructured(0.5))
    assert torch.equal(solve(weight, Gram(gram.matrix), Unstructured(0.5)), first)
    assert torch.equal(solve(weight, gram, Unstructured(0.5)), first)
    assert torch.equal(solve(weight, gram, Unstructured(0.5)), first)  # from cached factors


def test_a_common_factor_of_the_statistics_changes_no_mask(solve: Solve) -> None:
    weight, gram = random_layer(12, 30)
    one = solve(weight, gram, Unstructured(0.5))
    other = solve(weight, Gram(gram.matrix * 2**-20), Unstructured(0.5))
    torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-5)


def test_weights_of_dead_features_are_dropped_first_and_are_zeros(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    matrix = gram.matrix.clone()
    matrix[[3, 11]] = 0
    matrix[:, [3, 11]] = 0
    weight[:, 3] = 100

    got = solve(weight, Gram(matrix), Unstructured(0.5))

    assert (got[:, [3, 11]] == 0).all()
    assert (got == 0).sum() == 60
    assert got.isfinite().all()


def test_dead_features_are_zeros_even_where_the_score_keeps_them(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    matrix = gram.matrix.clone()
    matrix[3] = 0
    matrix[:, 3] = 0
    score = weight.abs()
    score[:, 3] = 100
    got = solve(weight, Gram(matrix), Unstructured(0.5), score)
    assert (got[:, 3] == 0).all()
    assert (got == 0).sum() == 66


def test_a_layer_whose_inputs_are_all_zero_becomes_zero(solve: Solve) -> None:
    got = solve(torch.ones(3, 4), Gram(torch.zeros(4, 4)), Unstructured(0.5))
    assert torch.equal(got, torch.zeros(3, 4))


@pytest.mark.parametrize("tokens", [1, 5])
def test_fewer_tokens_than_features_are_enough(solve: Solve, tokens: int) -> None:
    weight, gram = random_layer(6, 40, tokens)
    got = solve(weight, gram, Unstructured(0.5))
    assert got.isfinite().all()
    assert (got == 0).sum() == 120
    assert got.abs().max() < 100 * weight.abs().max()


@pytest.mark.parametrize("rows", [slice(0, 1), slice(None)])
def test_all_zero_rows_stay_zero_and_leave_other_rows_finite(solve: Solve, rows: slice) -> None:
    weight, gram = random_layer(6, 20)
    weight[rows] = 0
    got = solve(weight, gram, Unstructured(0.5))
    assert got.isfinite().all()
    assert (got[rows] == 0).all()


def test_duplicate_features_make_no_infinities(solve: Solve) -> None:
    weight, gram = random_layer(6, 20)
    twice = torch.cat([gram.matrix, gram.matrix]).repeat(1, 2)
    got = solve(weight.repeat(1, 2), Gram(twice), Unstructured(0.5))
    assert got.isfinite().all()


@pytest.mark.parametrize("scored", [False, True])
def test_a_gram_matrix_that_is_not_positive_definite_is_refused(solve: Solve, scored: bool) -> None:
    matrix = torch.ones(4, 4) * 5 - 4 * torch.eye(4)  # eigenvalues 16 and -4
    weight, _ = random_layer(3, 4)
    with pytest.raises(SolverFailedError, match="not positive definite"):
        solve(weight, Gram(matrix), Unstructured(0.5), weight.abs() if scored else None)


def test_statistics_of_another_width_are_refused(solve: Solve) -> None:
    with pytest.raises(ShapeError, match=r"weight \(3, 5\) does not fit a Gram matrix of 4"):
        solve(torch.ones(3, 5), Gram(torch.eye(4)), Unstructured(0.5))


def test_a_row_that_does_not_split_into_groups_is_refused(solve: Solve) -> None:
    weight, gram = random_layer(3, 130)
    with pytest.raises(ShapeError, match="groups of 4"):
        solve(weight, gram, NofM(2, 4))


@pytest.mark.parametrize("scored", [False, True])
def test_no_other_weights_on_the_same_mask_have_less_error_than_least_squares(
    solve: Solve, scored: bool
) -> None:
    weight, gram = random_layer(12, 40)
    score = weight.abs() * gram.sq_mean.sqrt() if scored else None
    found = solve(weight, gram, Unstructured(0.5), score)
    best = Exact()(weight, gram, Unstructured(0.5), (found != 0).float(), 1e-7)
    assert torch.equal(best != 0, found != 0)
    assert output_error(weight, best, gram) <= (1 + 1e-4) * output_error(weight, found, gram)
