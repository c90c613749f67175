import pytest

from worker.pruning.refinement.learning_rate import default_learning_rate, scheduled


def test_the_default_rate_falls_from_small_to_large_models() -> None:
    sizes = (1e6, 5e8, 1.5e9, 7e9, 7e10)
    rates = [default_learning_rate(int(size)) for size in sizes]
    assert rates[:2] == pytest.approx([1e-3, 1e-3])
    assert rates[3:] == pytest.approx([3e-5, 3e-5])
    assert 3e-5 < rates[2] < 1e-3


def test_the_rate_rises_for_a_tenth_of_the_steps_and_ends_at_a_fifth() -> None:
    rates = [scheduled(1.0, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(rates) == 1.0
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert rates[-1] == pytest.approx(0.2)
    assert [scheduled(1.0, step, 1) for step in range(1)] == [1.0]
