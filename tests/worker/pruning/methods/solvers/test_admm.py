import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import least_squares, output_error, random_layer
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.solvers.admm import admm


def _keep(pattern: Pattern, size: Tensor, step: int) -> Tensor:
    """Return the mask of one step as the author's code takes it."""
    share = 1 - (1 - (step + 1) / 15) ** 3
    if isinstance(pattern, NofM):
        best = size.view(-1, pattern.m).topk(pattern.n).indices
        safe = size.view(-1, pattern.m).scatter(1, best, torch.inf).view_as(size)
        return safe >= safe.flatten().kthvalue(int(size.numel() * pattern.sparsity * share) + 1)[0]
    if pattern.scope == "row":
        return size >= size.kthvalue(round(size.shape[1] * 0.5 * share) + 1, 1, keepdim=True)[0]
    return pattern.keep(size)


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        (Unstructured(0.5), 5),
        (Unstructured(0.5), 24),
        (Unstructured(0.5, "row"), 24),
        (NofM(2, 4), 24),
        (NofM(3, 8), 24),
    ],
)
def test_admm_is_its_three_updates_written_out(pattern: Pattern, width: int) -> None:
    weight, gram = random_layer(7, width)
    norms = gram.matrix.diagonal().sqrt()
    matrix = (gram.matrix / norms / norms[:, None]).double() + 0.1 * torch.eye(width)
    dense = answer = (weight * norms).double()
    dual = torch.zeros_like(answer)
    keep = torch.ones_like(weight, dtype=torch.bool)
    for step in range(20):
        if step < 15:
            keep = _keep(pattern, (answer + dual).abs(), step)
        sparse = keep * (answer + dual)
        dual = dual + answer - sparse
        right = dense @ matrix + (sparse - dual)
        answer = torch.linalg.solve(matrix + torch.eye(width), right, left=False)
    want = keep * (answer + dual) / norms

    got = admm(weight, gram, pattern)

    torch.testing.assert_close(got, want.float(), rtol=1e-4, atol=1e-5)


def test_every_group_loses_its_share_though_its_product_is_no_whole_number() -> None:
    weight, gram = random_layer(3, 30)
    assert int(weight.numel() * NofM(3, 10).sparsity) < 63  # of 90, by less than can be seen
    kept = admm(weight, gram, NofM(3, 10)).view(-1, 10).count_nonzero(1)
    assert kept.tolist() == [3] * 9


def test_with_a_given_mask_it_is_close_to_the_optimum() -> None:
    weight, gram = random_layer(20, 40)
    score = weight.abs()
    keep = Unstructured(0.5).keep(score)
    best = output_error(weight, least_squares(weight, gram.matrix, keep), gram)
    repaired = output_error(weight, admm(weight, gram, Unstructured(0.5), score), gram)
    assert best <= repaired < 1.15 * best  # 10 % of ridge keep it from the optimum
    assert repaired < output_error(weight, weight * keep, gram) / 2


def test_its_own_mask_beats_the_best_weights_on_a_mask_by_score() -> None:
    weight, gram = random_layer(20, 40)
    wanda = weight.abs() * gram.sq_mean.sqrt()
    keep = Unstructured(0.5).keep(wanda)
    best = output_error(weight, least_squares(weight, gram.matrix, keep), gram)
    assert output_error(weight, admm(weight, gram, Unstructured(0.5)), gram) < best
