import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import least_squares, output_error, random_layer
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.selection import AsPublished
from worker.pruning.methods.solvers.sparsegpt import sparsegpt
from worker.pruning.stats.gram import Gram


def _damped(gram: Gram) -> Tensor:
    matrix = gram.matrix.double()
    return matrix + 0.01 * matrix.diagonal().mean() * torch.eye(len(matrix), dtype=torch.float64)


def _drop_by_loops(weight: Tensor, gram: Gram, keep: Tensor) -> Tensor:
    """Apply the optimal brain surgeon's formula to one weight after the other, as in eq. 3."""
    work, matrix = weight.double().clone(), _damped(gram)
    for column in range(weight.shape[1]):
        inverse = torch.linalg.inv(matrix[column:, column:])
        for row in range(len(weight)):
            if not keep[row, column]:
                work[row, column:] -= work[row, column] / inverse[0, 0] * inverse[0]
                work[row, column] = 0
    return work.float()


def _score_by_loops(weight: Tensor, gram: Gram) -> Tensor:
    matrix = _damped(gram)
    costs = [torch.linalg.inv(matrix[j:, j:])[0, 0] for j in range(len(matrix))]
    return weight.square() / torch.stack(costs).float()


@pytest.mark.parametrize("width", [5, 16, 37])
def test_a_given_mask_is_repaired_as_the_formula_with_loops_does(width: int) -> None:
    weight, gram = random_layer(3, width)
    score = weight.abs()
    keep = Unstructured(0.5).keep(score)

    got = sparsegpt(weight, gram, Unstructured(0.5), score)

    torch.testing.assert_close(got, _drop_by_loops(weight, gram, keep), rtol=1e-4, atol=1e-4)


def test_its_own_mask_takes_the_weights_that_cost_least() -> None:
    weight, gram = random_layer(4, 37)
    keep = Unstructured(0.5).keep(_score_by_loops(weight, gram))

    got = sparsegpt(weight, gram, Unstructured(0.5))

    torch.testing.assert_close(got, _drop_by_loops(weight, gram, keep), rtol=1e-4, atol=1e-4)


def test_each_group_of_n_of_m_is_chosen_after_the_repairs_before_it() -> None:
    weight, gram = random_layer(3, 12)
    keep = torch.ones(3, 12, dtype=torch.bool)
    for start in (0, 4, 8):
        group = slice(start, start + 4)
        score = _score_by_loops(_drop_by_loops(weight, gram, keep), gram)
        keep[:, group] = NofM(2, 4).keep(score[:, group])

    got = sparsegpt(weight, gram, NofM(2, 4))

    assert torch.equal(got != 0, keep)
    torch.testing.assert_close(got, _drop_by_loops(weight, gram, keep), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scope", ["matrix", "row"])
@pytest.mark.parametrize("width", [1, 127, 300])
@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.77])
def test_blocks_of_columns_share_the_count_without_losing_one(
    scope: str, width: int, sparsity: float
) -> None:
    weight, gram = random_layer(5, width, tokens=2 * width)
    pattern = Unstructured(sparsity, "matrix" if scope == "matrix" else "row")

    zeros = sparsegpt(weight, gram, pattern) == 0

    if scope == "row":
        assert zeros.sum(1).tolist() == [round(width * sparsity)] * 5
    else:
        assert zeros.sum() == round(5 * width * sparsity)


def test_the_published_count_is_one_more_in_each_block_of_128_columns() -> None:
    weight, gram = random_layer(4, 300)
    zeros = sparsegpt(weight, gram, AsPublished(Unstructured(0.5))) == 0
    assert zeros.sum() == 4 * 150 + 3


def test_the_repair_lies_between_the_bare_mask_and_the_best_there_is() -> None:
    weight, gram = random_layer(20, 40)
    score = weight.abs()
    keep = Unstructured(0.5).keep(score)
    repaired = sparsegpt(weight, gram, Unstructured(0.5), score)
    best = output_error(weight, least_squares(weight, gram.matrix, keep), gram)
    assert best < output_error(weight, repaired, gram) < output_error(weight, weight * keep, gram)
