from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.pruning.base.errors import AllocationError
from worker.pruning.methods.allocation import (
    BlockSparsities,
    DlpAllocation,
    MatrixScores,
    OwlAllocation,
    dlp,
    median_score,
    outlier_share,
    owl,
)
from worker.pruning.methods.patterns import BlockPattern, Unstructured
from worker.pruning.methods.scores import wanda


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.2, 0.8), st.floats(0.001, 0.09)
)
def test_owl_keeps_the_mean_the_spread_and_the_order(
    shares: list[float], sparsity: float, spread: float
) -> None:
    got = owl(shares, sparsity, spread)

    assert sum(got) / len(got) == pytest.approx(sparsity)
    # Adding the rounded differences to the sparsity costs the last bits, not more.
    wanted = 2 * spread if max(shares) > min(shares) else 0
    assert max(got) - min(got) == pytest.approx(wanted, abs=1e-12)
    by_share = sorted(range(len(shares)), key=lambda block: shares[block])
    assert all(got[one] >= got[other] for one, other in pairwise(by_share))


def test_owl_is_the_formula_on_three_blocks() -> None:
    # minmax 0, 1, 0.25; times 0.16: 0, 0.16, 0.04; mean 0.0667
    want = (0.5 + 0.2 / 3, 0.5 + 0.2 / 3 - 0.16, 0.5 + 0.2 / 3 - 0.04)
    assert owl([0.01, 0.05, 0.02], 0.5) == pytest.approx(want)


def test_owl_refuses_a_sparsity_that_would_empty_a_block() -> None:
    with pytest.raises(AllocationError, match=r"block 0 .* 1\.03, .*; choose another sparsity, a"):
        owl([0.01, 0.02], 0.95)


def test_an_outlier_is_above_five_times_the_mean_of_its_block() -> None:
    ones, large = torch.ones(2, 8), torch.ones(1, 4)
    large[0, 0] = 15  # the mean of 20 scores is 1.7
    assert outlier_share([ones, large]) == 1 / 20
    large[0, 1] = 8  # 2.05: not above 10.25
    assert outlier_share(iter([ones, large])) == 1 / 20
    assert outlier_share([ones, large], multiple=3) == 2 / 20


def test_zero_weights_count_as_scores_of_zero() -> None:
    weight = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0, 1.0]])
    assert outlier_share([wanda(weight, torch.ones(8))]) == 1 / 8
    assert outlier_share([wanda(torch.zeros(2, 4), torch.ones(4))]) == 0


def test_given_sparsities_are_returned_for_each_block() -> None:
    assert BlockSparsities((0.2, 0.7)).sparsities(2) == (0.2, 0.7)


def test_given_sparsities_for_another_number_of_blocks_are_refused() -> None:
    with pytest.raises(AllocationError, match="2 sparsities for a model of 3 blocks; give one"):
        BlockSparsities((0.2, 0.7)).sparsities(3)


@pytest.mark.parametrize("wrong", [1.0, -0.1, float("nan")])
def test_a_sparsity_that_no_block_can_have_is_refused_with_its_block(wrong: float) -> None:
    with pytest.raises(AllocationError, match=r"block 1 .* outside \[0, 1\); give a"):
        BlockSparsities((0.2, wrong)).sparsities(2)


@given(
    st.lists(st.floats(0, 1e3), min_size=1, max_size=40),
    st.floats(0.3, 0.7),
    st.floats(0.001, 0.14),
)
def test_dlp_is_the_density_of_the_paper(
    medians: list[float], sparsity: float, spread: float
) -> None:
    got = dlp(medians, sparsity, spread)

    total = sum(medians) or 1.0
    shares = np.array([1 - median / total for median in medians])
    width = shares.max() - shares.min()
    scaled = (shares - shares.min()) / width if width else np.zeros(len(shares))
    density = 2 * spread * scaled
    density = density - density.mean() + (1 - sparsity)
    assert got == pytest.approx(1 - density)
    assert sum(got) / len(got) == pytest.approx(sparsity)


def test_the_median_is_that_of_all_scores_of_a_block_and_zeros_count_as_scores_of_zero() -> None:
    first, second = torch.tensor([[3.0, 1.0], [9.0, 4.0]]), torch.tensor([[2.0], [-1.0]])
    assert median_score([first, second]) == 2.0
    assert median_score(iter([first, second, torch.tensor([[5.0]])])) == 3.0
    assert median_score([torch.full((2, 4), -1.0)]) == 0.0


def test_a_block_with_a_higher_median_is_pruned_more_by_dlp_and_more_outliers_less_by_owl() -> None:
    pattern = Unstructured(0.5, "row")
    low, high = torch.ones(4, 8), torch.ones(4, 8)
    low[0, 0], high[0, :2] = 99.0, 99.0
    blocks = [[MatrixScores("q", score, 1)] for score in (low, 2 * low, high)]
    for allocation, order in ((OwlAllocation(0.1), [2, 0, 1]), (DlpAllocation(), [0, 2, 1])):
        measured = [allocation.measure(pattern, block) for block in blocks]
        patterns = allocation.patterns(pattern, [*measured, None])
        sparsities = [one.pattern.sparsity for one in patterns[:3]]
        assert sorted(range(3), key=lambda block: sparsities[block]) == order
        assert max(sparsities) - min(sparsities) == pytest.approx(2 * allocation.spread)
        assert sum(sparsities) / 3 == pytest.approx(0.5)
        assert patterns[3] == BlockPattern(pattern)  # nothing of it is pruned
