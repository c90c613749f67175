"""Adapt-Pruner's shares, against loops that read like the paper's algorithm."""

import pytest

from worker.pruning.methods.adapt import MOST, block_importance, next_sparsities, shifted

COSINES = ([0.9, 0.5, 0.95, 0.2], [0.1, 0.1, 0.1, 0.1])


def as_published(
    sparsities: list[float], cosines: list[float], step: float, a: float
) -> list[float]:
    """Return clip(s + step − A·I, 0, 0.99), I = −cos, centred and divided by its largest size."""
    importance = [-cosine for cosine in cosines]
    mean = sum(importance) / len(importance)
    importance = [one - mean for one in importance]
    largest = max(abs(one) for one in importance)
    risen = []
    for sparsity, one in zip(sparsities, importance, strict=True):
        relative = one / largest if largest > 0 else 0.0
        risen.append(min(max(sparsity + step - a * relative, 0.0), 0.99))
    return risen


@pytest.mark.parametrize("cosines", COSINES)
@pytest.mark.parametrize("sparsities", [[0.0] * 4, [0.1, 0.2, 0.3, 0.98]])
def test_a_step_raises_the_shares_as_published(
    cosines: list[float], sparsities: list[float]
) -> None:
    distances = [1 - cosine for cosine in cosines]
    for step in (0.02, 0.05):
        found = next_sparsities(sparsities, distances, step)
        assert found == pytest.approx(as_published(sparsities, cosines, step, a=step))


def test_the_block_that_changes_the_hidden_state_most_is_the_most_important() -> None:
    importance = block_importance([0.1, 0.5, 0.05, 0.8])
    assert max(importance) == importance[3] == 1.0
    assert min(importance) == importance[2] > -1
    assert sum(importance) == pytest.approx(0)
    assert block_importance([0.3, 0.3]) == [0.0, 0.0]


def test_shares_are_shifted_together_until_the_parameters_are_those_asked_for() -> None:
    sizes, shares = [100, 300, 200], [0.1, 0.4, 0.7]
    found = shifted(shares, sizes, 330.0)
    assert sum(share * size for share, size in zip(found, sizes, strict=True)) == pytest.approx(330)
    moved = [one - before for one, before in zip(found, shares, strict=True)]
    assert moved == pytest.approx([moved[0]] * 3)
    assert max(shifted(shares, sizes, 580.0)) == MOST
    assert min(shifted(shares, sizes, 30.0)) == 0.0
    assert shifted(shares, sizes, 150.0, [0.1, 0.2, 0.0])[:2] == pytest.approx([0.1, 0.2])
