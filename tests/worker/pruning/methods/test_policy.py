"""The policy gradient is the gradient of the expected loss, and no budget is exceeded."""

from itertools import product

import pytest
import torch
from torch import Tensor

from worker.pruning.methods.policy import (
    EPSILON,
    baseline,
    learning_rate,
    policy_gradient,
    projected,
    starting_scores,
    starting_values,
)

UNITS = 6
MASKS = torch.tensor(list(product((0.0, 1.0), repeat=UNITS)), dtype=torch.float64)


def loss_of(mask: Tensor) -> Tensor:
    """Return a loss in which units depend on each other."""
    weights = torch.linspace(0.5, 2.0, UNITS, dtype=torch.float64)
    return (3 - weights @ mask).square() + mask[0] * mask[1] - 0.5 * mask[2] * mask[5]


def probability(mask: Tensor, probabilities: Tensor) -> Tensor:
    return torch.where(mask > 0, probabilities, 1 - probabilities).prod()


@pytest.mark.parametrize("compared", [0.0, 2.5])
def test_its_mean_over_all_64_masks_is_the_enumerated_gradient(compared: float) -> None:
    probabilities = torch.tensor([0.1, 0.3, 0.5, 0.6, 0.8, 0.95], dtype=torch.float64)
    mean = torch.zeros(UNITS, dtype=torch.float64)
    for mask in MASKS:  # both draws of a step are this mask, so that the mean is linear
        pair, losses = torch.stack([mask, mask]), loss_of(mask).repeat(2)
        mean += probability(mask, probabilities) * policy_gradient(
            losses, pair, probabilities, compared
        )

    leaf = probabilities.clone().requires_grad_()
    expected = torch.stack([probability(mask, leaf) * loss_of(mask) for mask in MASKS]).sum()
    (enumerated,) = torch.autograd.grad(expected, leaf)
    variance = probabilities * (1 - probabilities)
    bounded = (probabilities + EPSILON) * (1 - probabilities + EPSILON)
    scale = variance / bounded.sqrt()  # as published: a root instead of the variance
    torch.testing.assert_close(mean, 2 / (2 - 1) * scale * enumerated)  # K / (K - 1), K draws


def test_it_is_the_published_sum_written_as_a_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.rand(UNITS, generator=generator, dtype=torch.float64)
    masks, losses = MASKS[[5, 40, 63]], torch.tensor([1.0, 3.0, 2.5], dtype=torch.float64)
    found = policy_gradient(losses, masks, probabilities, 2.0)
    for unit in range(UNITS):
        s, total = float(probabilities[unit]), 0.0
        for loss, mask in zip(losses.tolist(), masks.tolist(), strict=True):
            total += (loss - 2.0) * (mask[unit] - s) / ((s + 1e-7) * (1 - s + 1e-7)) ** 0.5
        assert float(found[unit]) == pytest.approx(total / 2)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
@pytest.mark.parametrize("units", [6, 20_000])
def test_probabilities_above_the_budget_are_lowered_to_it(units: int, share: float) -> None:
    generator = torch.Generator().manual_seed(units)
    values = 0.5 + torch.rand(units, generator=generator, dtype=torch.float64)
    found = projected(values, share * units)
    assert abs(float(found.sum()) - share * units) < 1e-9
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    inside = (found > 0) & (found < 1)
    moved = (values - found)[inside]  # by the same number, as for the nearest point
    torch.testing.assert_close(moved, moved[:1].expand_as(moved))
    torch.testing.assert_close(projected(found, share * units), found)


def test_probabilities_below_the_budget_are_not_raised_to_it() -> None:
    values = torch.tensor([-0.2, 0.0, 0.4, 0.7, 1.3], dtype=torch.float64)
    assert projected(values, 2.2).tolist() == [0.0, 0.0, 0.4, 0.7, 1.0]
    assert projected(values, 1.0).tolist()[:2] == [0.0, 0.0]


def test_units_are_scored_by_the_mean_size_of_their_columns_and_their_inputs() -> None:
    weight = torch.tensor([[1.0, -2.0, 3.0, 0.0], [-3.0, 4.0, 1.0, 0.5]])
    found = starting_scores(weight, torch.tensor([4.0, 1.0, 9.0, 16.0]), torch.arange(4).view(2, 2))
    assert found.tolist() == [2 * 2 + 3 * 1, 2 * 3 + 0.25 * 4]


@pytest.mark.parametrize("share", [0.5, 0.75])
def test_probabilities_start_from_shifted_sigmoids_of_z_scores(share: float) -> None:
    scores = [1.0, 2.0, 3.0, 6.0]
    found = starting_values(torch.tensor(scores), share)
    spread = ((4 + 1 + 0 + 9) / 3) ** 0.5
    sigmoids = [1 / (1 + torch.e ** -((score - 3.0) / spread)) for score in scores]
    for value, sigmoid in zip(found.tolist(), sigmoids, strict=True):
        assert value == pytest.approx(min(sigmoid + share - sum(sigmoids) / 4, 1.0))
    assert starting_values(torch.tensor([4.0]), 1.0).tolist() == [1.0]


def test_a_step_is_compared_with_a_moving_average_that_includes_it() -> None:
    compared = baseline(None, torch.tensor([2.0, 4.0]))
    assert compared == 3.0
    compared = baseline(compared, torch.tensor([3.35, 3.35]))
    assert compared == pytest.approx(3.07)
    assert baseline(compared, torch.tensor([1.0, 3.0])) == pytest.approx(0.8 * 3.07 + 0.2 * 2)


def test_the_learning_rate_falls_along_a_cosine() -> None:
    rates = [learning_rate(2e-3, step, 4) for step in range(5)]
    assert rates[0] == 2e-3
    assert rates[2] == pytest.approx(1e-3)
    assert rates[4] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)
