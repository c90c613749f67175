import torch

from tests.worker.pruning.layers import least_squares, output_error, random_layer
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.solvers.admm import admm
from worker.pruning.methods.solvers.alps import alps, fast_alps


def _ridged(matrix: torch.Tensor) -> torch.Tensor:
    return matrix + 0.01 * matrix.diagonal().mean() * torch.eye(len(matrix))


def test_a_given_mask_gets_the_closed_form_solution_of_each_row() -> None:
    weight, gram = random_layer(9, 12)
    score = weight.abs()
    keep = Unstructured(0.5).keep(score)
    want = least_squares(weight, _ridged(gram.matrix), keep)

    got = alps(weight, gram, Unstructured(0.5), score)

    # Rows of up to ten weights are solved by ten conjugate gradient steps, but for rounding.
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)


def test_the_weights_on_its_own_mask_are_the_closed_form_solution() -> None:
    weight, gram = random_layer(9, 24)

    got = alps(weight, gram, Unstructured(0.5))

    best = least_squares(weight, _ridged(gram.matrix), got != 0)
    assert (got - best).norm() < 0.01 * best.norm()


def test_its_mask_is_better_than_one_by_score_and_than_admms() -> None:
    weight, gram = random_layer(40, 64)
    wanda = weight.abs() * gram.sq_mean.sqrt()
    by_score = least_squares(weight, gram.matrix, Unstructured(0.5).keep(wanda))

    error = output_error(weight, alps(weight, gram, Unstructured(0.5)), gram)

    assert error < 0.8 * output_error(weight, by_score, gram)
    assert error < output_error(weight, admm(weight, gram, Unstructured(0.5)), gram)


def test_weights_that_are_sparse_enough_are_found_again() -> None:
    weight, gram = random_layer(8, 16)
    sparse = weight * Unstructured(0.6).keep(weight.abs())
    got = alps(sparse, gram, Unstructured(0.5))
    torch.testing.assert_close(got, sparse, rtol=1e-3, atol=1e-3)


def test_the_fast_schedule_leaves_little_more_error_than_the_published_one() -> None:
    weight, gram = random_layer(40, 64)
    by_score = least_squares(weight, gram.matrix, Unstructured(0.5).keep(weight.abs()))

    published, fast = (
        output_error(weight, solve(weight, gram, Unstructured(0.5), None, 0.01), gram)
        for solve in (alps, fast_alps)
    )

    assert published < fast < 1.4 * published < 0.8 * output_error(weight, by_score, gram)
