"""The error and the histogram of a matrix, measured on a sample of its rows."""

import pytest
import torch
from torch import Tensor, nn

from worker.pruning.methods.target import Target
from worker.pruning.model.fused_projections import Part
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.stats.gradient_norms import NO_GRADIENTS
from worker.pruning.stats.gram import GramMoments
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.sampled_rows import BINS, ROWS, SampledRows

WIDTH = 24


def target_of(rows: int) -> Target:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(WIDTH, rows, bias=False)).requires_grad_(False)
    [layer] = linear_layers(block)
    return Target("layers.0", layer, Part(None, slice(0, rows)), layer.weight, NO_GRADIENTS)


def halved(target: Target) -> Tensor:
    """Drop the smaller half of the weights in place; return the matrix before that."""
    dense = target.stored.clone()
    target.zero(dense.abs() > dense.abs().median())
    return dense


def correlated_inputs() -> Tensor:
    seeded = torch.Generator().manual_seed(1)
    mixing = torch.randn(WIDTH, WIDTH, generator=seeded)
    return torch.randn(500, WIDTH, generator=seeded) @ mixing


def test_with_a_gram_matrix_the_error_is_that_of_the_outputs() -> None:
    target, inputs, moments = target_of(ROWS), correlated_inputs(), GramMoments()
    moments.add(inputs)
    sample = SampledRows(target)
    dense = halved(target)
    difference, outputs = inputs @ (target.stored - dense).T, inputs @ dense.T
    expected = float(difference.norm() / outputs.norm())
    assert sample.error(moments) == pytest.approx(expected, rel=1e-4)


def test_without_a_gram_matrix_features_count_as_uncorrelated() -> None:
    target, inputs, moments = target_of(ROWS), correlated_inputs(), InputMoments()
    moments.add(inputs)
    sample = SampledRows(target)
    dense = halved(target)
    scale = inputs.square().mean(0).sqrt()
    expected = float(((target.stored - dense) * scale).norm() / (dense * scale).norm())
    assert sample.error(moments) == pytest.approx(expected, rel=1e-4)


def test_an_unchanged_matrix_has_no_error_and_one_without_inputs_none() -> None:
    sample, moments = SampledRows(target_of(8)), InputMoments()
    assert sample.error(moments) is None
    moments.add(torch.zeros(4, WIDTH))
    assert sample.error(moments) is None
    moments.add(correlated_inputs())
    assert sample.error(moments) == 0.0


@pytest.mark.parametrize("rows", [1, ROWS, 3 * ROWS + 1])
def test_the_histogram_counts_every_sampled_weight_and_then_those_that_are_not_zero(
    rows: int,
) -> None:
    target = target_of(rows)
    sample = SampledRows(target)
    halved(target)
    counted = sample.histogram()
    sampled = min(rows, ROWS) * WIDTH
    assert sum(counted.before) == sampled
    assert len(counted.before) == len(counted.after) == BINS
    middle = slice(BINS // 2 - 1, BINS // 2 + 1)
    assert counted.after[middle] < counted.before[middle]
    assert sum(counted.after) <= sampled
    if rows <= ROWS:
        assert sum(counted.after) == int(target.stored.count_nonzero())


def test_the_outer_bins_take_the_weights_beyond_the_limit() -> None:
    target = target_of(4)
    target.stored[0, 0] = 1000.0
    counted = SampledRows(target).histogram()
    assert counted.before[-1] == 1
    assert sum(counted.before) == 4 * WIDTH


def test_a_matrix_of_zeros_is_counted_too() -> None:
    target = target_of(4)
    target.stored.zero_()
    counted = SampledRows(target).histogram()
    assert (sum(counted.before), sum(counted.after)) == (4 * WIDTH, 0)
