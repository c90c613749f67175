"""The experts of the lowest scores."""

import pytest
import torch

from worker.pruning.experts.choice import expert_scores, lowest_experts


@pytest.mark.parametrize(
    ("scores", "count", "groups", "removed"),
    [
        ([3.0, 1.0, 2.0, 0.0], 2, 1, [1, 3]),
        ([1.0, 1.0, 1.0, 0.0], 2, 1, [0, 3]),
        ([0.0, 0.0, 0.0, 0.0], 3, 1, [0, 1, 2]),
        ([3.0, 4.0, 2.0, 0.0, 1.0, 0.5], 2, 2, [2, 3]),
        ([3.0, 4.0, 2.0, 0.0, 1.0, 0.5], 4, 2, [0, 2, 3, 5]),
        ([3.0, 4.0, 1.0, 0.0, 1.0, 1.0], 3, 3, [0, 3, 4]),
    ],
)
def test_the_lowest_of_each_group_go_and_of_equal_ones_the_first(
    scores: list[float], count: int, groups: int, removed: list[int]
) -> None:
    assert lowest_experts(torch.tensor(scores), count, groups).tolist() == removed


def test_an_expert_that_matters_on_either_text_has_a_high_score() -> None:
    first, second = torch.tensor([6.0, 1.0, 1.0, 0.0]), torch.tensor([0.0, 0.1, 0.0, 0.9])
    assert expert_scores(first, None) is first
    assert expert_scores(first, second).tolist() == pytest.approx([0.75, 0.125, 0.125, 0.9])
