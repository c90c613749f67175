import pytest

from worker.pruning.methods.solvers.penalty import BRISK, Penalty


@pytest.mark.parametrize(
    ("changed", "rho"), [(101, 0.13), (100, 0.12), (6, 0.12)], ids=["much", "some", "a little"]
)
def test_the_penalty_rises_with_how_much_the_mask_changed(changed: int, rho: float) -> None:
    penalty = Penalty(kept_weights=1000)
    assert penalty.review(changed) == "go on"
    assert penalty.rho == pytest.approx(rho)


def test_once_it_rises_few_changes_raise_it_and_none_settle_it() -> None:
    penalty = Penalty(kept_weights=1000)
    penalty.review(500)
    assert penalty.review(1) == "go on"
    assert penalty.rho == pytest.approx(0.143)
    assert penalty.review(0) == "settled"


def test_a_start_that_hardly_moves_is_repeated_with_a_weaker_pull() -> None:
    penalty = Penalty(kept_weights=1000)
    assert penalty.review(5) == "restart"
    assert penalty.review(0) == "go on"
    assert penalty.rho == pytest.approx(0.004)


def test_a_mask_that_never_moves_is_settled_in_the_end() -> None:
    penalty = Penalty(kept_weights=1000)
    assert "settled" in [penalty.review(0) for _ in range(10)]


@pytest.mark.parametrize("changed", [101, 100, 6, 5])
def test_a_brisk_penalty_rises_by_the_same_however_much_moves(changed: int) -> None:
    penalty = Penalty(1000, BRISK)
    penalty.review(500)
    assert penalty.review(changed) == "go on"
    assert penalty.rho == pytest.approx(0.3 * 1.6**2)
