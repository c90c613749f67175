"""The scores of units equal a loop that reads like the formula, the repair equals least squares."""

import torch

from worker.pruning.methods.units import highest, joint_scores, repaired, unit_scores
from worker.pruning.stats.gram import Gram, GramMoments
from worker.pruning.stats.input_moments import InputMoments


def layer(tokens: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs ``[tokens, 12]`` that are correlated, and a weight ``[5, 12]``."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(12, 12, generator=generator)
    inputs = torch.randn(tokens, 12, generator=generator) @ mixing
    return inputs, torch.randn(5, 12, generator=generator)


def test_the_score_of_a_channel_is_the_sum_over_tokens_of_its_square_times_what_it_writes() -> None:
    inputs, weight = layer()
    moments = InputMoments()
    moments.add(inputs)
    expected = torch.zeros(12)
    for i in range(12):
        for a in inputs:
            expected[i] += a[i] ** 2 * weight[:, i].norm() ** 2
    scores = unit_scores(weight, moments.sq_mean() * moments.tokens, torch.arange(12)[:, None])
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=0)


def test_the_score_of_a_unit_of_several_features_is_their_sum() -> None:
    inputs, weight = layer()
    squares = inputs.square().sum(0)
    single = unit_scores(weight, squares, torch.arange(12)[:, None])
    pairs = unit_scores(weight, squares, torch.arange(12).view(6, 2))
    torch.testing.assert_close(pairs, single.view(6, 2).sum(1))


def test_a_unit_has_the_larger_of_its_shares_on_two_texts() -> None:
    first, second = torch.tensor([6.0, 1.0, 3.0, -1.0]), torch.tensor([10.0, 25.0, 15.0, -1.0])
    scores = joint_scores(first, second)
    torch.testing.assert_close(scores[:3], torch.tensor([0.6, 0.5, 0.3]))
    assert scores[3] < 0  # a removed unit stays below all others
    assert joint_scores(torch.zeros(2), torch.tensor([0.0, 2.0])).tolist() == [0.0, 1.0]


def test_the_highest_scores_are_kept_in_order_and_ties_by_index() -> None:
    assert highest(torch.tensor([1.0, 3.0, 2.0, 3.0, 2.0]), 3).tolist() == [1, 2, 3]


def test_the_repair_is_the_least_squares_solution_on_the_kept_features() -> None:
    inputs, weight = layer()
    kept = torch.tensor([0, 2, 3, 7, 8, 11])
    moments = GramMoments()
    moments.add(inputs)
    found = repaired(weight, moments.gram(), kept, damping=1e-9)
    expected = torch.linalg.lstsq(inputs[:, kept].double(), (inputs @ weight.T).double()).solution.T
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-4)


def test_the_damped_repair_minimises_the_error_plus_the_distance_from_the_dense_weights() -> None:
    inputs, weight = layer()
    kept, damping = torch.tensor([1, 2, 5, 6]), 0.3
    matrix = (inputs.T @ inputs / len(inputs)).double()
    found = repaired(weight, Gram(matrix.float()), kept, damping).double()
    ridge = damping * matrix.diagonal().mean()
    removed = [i for i in range(12) if i not in kept.tolist()]
    square = matrix[kept][:, kept] + ridge * torch.eye(4)
    pulled = weight.double()[:, removed] @ matrix[removed][:, kept]
    expected = weight.double()[:, kept] + torch.linalg.solve(square, pulled.T).T
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_features_without_correlation_need_no_repair() -> None:
    _, weight = layer()
    kept = torch.tensor([0, 4, 9])
    found = repaired(weight, Gram(torch.diag(torch.arange(1.0, 13.0))), kept, damping=0.01)
    torch.testing.assert_close(found, weight[:, kept])


def test_a_dead_feature_keeps_its_weights() -> None:
    inputs, weight = layer()
    inputs[:, 3] = 0
    gram = Gram(inputs.T @ inputs / len(inputs))
    kept = torch.tensor([0, 3, 5])
    found = repaired(weight, gram, kept, damping=0.01)
    torch.testing.assert_close(found[:, 1], weight[:, 3])
