import pytest

from worker.pruning.methods.solvers.penalty import FAST, Penalty


@pytest.mark.parametrize(
    ("changed", "rho"), [(101, 0.13), (100, 0.12), (6, 0.12)], ids=["much", "some", "a little"]
)
def test_the_penalty_rises_with_how_much_the_mask_changed(changed: int, rho: float) -> None:
    penalty = Penalty(kept_weights=1000)
    assert penalty.review(changed) == "continue"
    assert penalty.rho == pytest.approx(rho)


def test_after_a_rise_few_changes_raise_the_penalty_and_no_change_settles_the_mask() -> None:
    penalty = Penalty(kept_weights=1000)
    penalty.review(500)
    assert penalty.review(1) == "continue"
    assert penalty.rho == pytest.approx(0.143)
    assert penalty.review(0) == "settled"


def test_a_start_with_hardly_any_change_is_repeated_with_a_smaller_penalty() -> None:
    penalty = Penalty(kept_weights=1000)
    assert penalty.review(5) == "restart"
    assert penalty.review(0) == "continue"
    assert penalty.rho == pytest.approx(0.004)


def test_a_mask_that_never_changes_is_settled_after_some_reviews() -> None:
    penalty = Penalty(kept_weights=1000)
    assert "settled" in [penalty.review(0) for _ in range(10)]


@pytest.mark.parametrize("changed", [101, 100, 6, 5])
def test_the_fast_penalty_rises_by_the_same_factor_however_much_changes(changed: int) -> None:
    penalty = Penalty(1000, FAST)
    penalty.review(500)
    assert penalty.review(changed) == "continue"
    assert penalty.rho == pytest.approx(0.3 * 1.6**2)
