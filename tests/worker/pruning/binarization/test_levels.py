"""The two values of a row's kept weights, compared with a regression and with a search."""

import pytest
import torch
from torch import Tensor

from worker.pruning.binarization.levels import Levels, best_levels, fit_levels, mean_of, signs_of

COLUMNS, ROWS = 16, 6


def group(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the weights ``[columns, rows]`` of a group, and which of them are kept."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(COLUMNS, ROWS, generator=generator) + 0.3
    kept = (torch.rand(COLUMNS, ROWS, generator=generator) < 0.6).float()
    return weights, kept


def error(weights: Tensor, kept: Tensor, values: Tensor) -> Tensor:
    """Return each row's squared error of the kept weights."""
    return ((weights - values).square() * kept).sum(0)


def of_signs(levels: Levels, signs: Tensor) -> Tensor:
    return levels.middle + levels.distance * signs


def test_the_levels_for_given_signs_are_those_of_a_regression() -> None:
    weights, kept = group()
    signs = signs_of(torch.randn(COLUMNS, ROWS, generator=torch.Generator().manual_seed(1)))

    levels = best_levels(weights, kept, signs)

    for row in range(ROWS):
        chosen = kept[:, row] == 1
        design = torch.stack([signs[chosen, row], torch.ones(int(chosen.sum()))], dim=1)
        solved = torch.linalg.lstsq(design, weights[chosen, row][:, None]).solution.flatten()
        torch.testing.assert_close(levels.distance[row], solved[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(levels.middle[row], solved[1], rtol=1e-4, atol=1e-5)


def test_no_levels_nearby_have_a_smaller_error_for_the_same_signs() -> None:
    weights, kept = group()
    signs = signs_of(weights)
    levels = best_levels(weights, kept, signs)
    least = error(weights, kept, of_signs(levels, signs))
    for shift in (-0.1, -0.01, 0.0, 0.01, 0.1):
        for stretch in (-0.1, -0.01, 0.0, 0.01, 0.1):
            other = Levels(levels.middle + shift, levels.distance + stretch)
            assert (error(weights, kept, of_signs(other, signs)) >= least - 1e-5).all()


def test_choosing_signs_and_levels_in_turn_never_increases_the_error() -> None:
    weights, kept = group()
    start = mean_of(weights, kept)
    first = best_levels(weights, kept, signs_of(weights - start))

    levels = fit_levels(weights, kept, start)

    before = error(weights, kept, first.nearest(weights))
    assert (error(weights, kept, levels.nearest(weights)) <= before + 1e-5).all()
    assert (levels.distance >= 0).all()


def test_the_best_levels_of_all_thresholds_stay_the_best() -> None:
    """A search over every split of a row's sorted weights finds the least error of any levels."""
    weights, kept = group()
    for row in range(ROWS):
        values = weights[kept[:, row] == 1, row].sort().values
        splits = [(values[:at], values[at:]) for at in range(1, len(values))]
        errors = [float(sum(((one - one.mean()) ** 2).sum() for one in split)) for split in splits]
        low, high = splits[errors.index(min(errors))]
        middle = (low.mean() + high.mean()) / 2

        levels = fit_levels(weights[:, [row]], kept[:, [row]], middle[None])

        found = error(weights[:, [row]], kept[:, [row]], levels.nearest(weights[:, [row]]))
        assert float(found) == pytest.approx(min(errors), rel=1e-4)
        torch.testing.assert_close(levels.middle[0], middle)
        any_start = fit_levels(weights[:, [row]], kept[:, [row]], torch.zeros(1))
        other = error(weights[:, [row]], kept[:, [row]], any_start.nearest(weights[:, [row]]))
        assert float(other) >= min(errors) - 1e-5


def test_weights_of_one_sign_take_their_mean_and_a_row_without_weights_zero() -> None:
    weights = torch.tensor([[1.0, 5.0, 2.0], [3.0, 7.0, 9.0]])
    kept = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    levels = best_levels(weights, kept, torch.ones(2, 3))
    assert levels.middle.tolist() == [2.0, 5.0, 0.0]
    assert levels.distance.tolist() == [0.0, 0.0, 0.0]


def test_stored_levels_can_be_represented_in_their_dtype() -> None:
    levels = Levels(torch.tensor([0.1234567]), torch.tensor([0.7654321])).stored(torch.bfloat16)
    for value in (levels.middle, levels.distance):
        assert value.dtype == torch.float32
        assert torch.equal(value.bfloat16().float(), value)
