"""Accuracies, their standard errors and McNemar's test."""

import pytest

from worker.evaluation.task_results import TaskComparison, TaskResult, mean_stderr


def result(*correct: bool) -> TaskResult:
    return TaskResult("task", "1.0", {}, correct, items_sha256="")


def comparison(both: int, lost: int, gained: int, neither: int) -> TaskComparison:
    dense = [True] * (both + lost) + [False] * (gained + neither)
    pruned = [True] * both + [False] * lost + [True] * gained + [False] * neither
    return TaskComparison(result(*dense), result(*pruned))


def test_lost_and_gained_items_are_those_that_only_one_model_gets_right() -> None:
    one = comparison(both=5, lost=4, gained=2, neither=3)
    assert (one.lost, one.gained) == (4, 2)
    assert one.dense.accuracy - one.pruned.accuracy == pytest.approx(2 / 14)


@pytest.mark.parametrize(
    ("lost", "gained", "expected"),
    # As scipy.stats.binomtest(gained, lost + gained) gives them.
    [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 0.03125), (2, 8, 0.109375), (15, 5, 0.04138946533203125)],
)
def test_the_p_value_is_that_of_the_exact_test(lost: int, gained: int, expected: float) -> None:
    assert comparison(3, lost, gained, 3).p_value == pytest.approx(expected)


def test_the_error_of_the_drop_is_that_of_the_items_differences() -> None:
    one = comparison(both=50, lost=12, gained=4, neither=34)
    drops = [1] * 12 + [-1] * 4 + [0] * 84
    mean = sum(drops) / 100
    variance = sum((drop - mean) ** 2 for drop in drops) / 99
    assert one.drop == pytest.approx(mean)
    assert one.drop_stderr == pytest.approx((variance / 100) ** 0.5)
    assert one.dense.stderr is not None
    assert one.pruned.stderr is not None
    independent = (one.dense.stderr**2 + one.pruned.stderr**2) ** 0.5
    assert one.drop_stderr is not None
    assert one.drop_stderr < independent
    assert comparison(1, 0, 0, 0).drop_stderr is None


def test_standard_errors() -> None:
    assert result(True).stderr is None
    # The harness's own: the standard deviation of the sample over the root of its size.
    assert result(True, False, True, True).stderr == pytest.approx(0.25)
    assert mean_stderr([0.3, 0.4]) == pytest.approx(0.25)
