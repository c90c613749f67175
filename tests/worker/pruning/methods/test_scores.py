from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from worker.pruning.base.errors import ShapeError
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import SCORERS
from worker.pruning.methods.scorers import Scorer
from worker.pruning.methods.scores import gblm, magnitude, ria, wanda, zpruner
from worker.pruning.stats.input_moments import InputMoments

Score = Callable[[Tensor, Tensor], Tensor]


class _GivenMoments(InputMoments):
    """Moments with given mean squares."""

    def __init__(self, sq_mean: Tensor) -> None:
        super().__init__()
        self._given = sq_mean

    def sq_mean(self) -> Tensor:
        return self._given


def _score_of(scorer: Scorer) -> Score:
    """Return the scorer as a function of the weight and the inputs' mean squares."""

    def score(weight: Tensor, sq_mean: Tensor) -> Tensor:
        gradient = torch.zeros_like(weight, dtype=torch.float32)
        return scorer.score(weight, _GivenMoments(sq_mean), lambda: gradient)

    return score


every_score = pytest.mark.parametrize("score", [*map(_score_of, SCORERS.values())], ids=SCORERS)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_zpruner_is_the_formula_written_with_loops() -> None:
    weight, sq_mean = _random(3, 5), _random(7, 5).square().mean(0)
    rows = torch.stack([weight[i] / weight[i].norm() for i in range(3)])
    columns = torch.stack([weight[:, j] / weight[:, j].norm() for j in range(5)], dim=1)
    few = (weight.abs() < 0.1 * weight.abs().mean()).sum() / 15
    alpha = 0.7 * (1 - 0.3 * few)

    got = zpruner(weight, sq_mean)

    for i in range(3):
        for j in range(5):
            row = abs((rows[i, j] - rows.mean()) / rows.std()) ** 3
            column = abs((columns[i, j] - columns.mean()) / columns.std()) ** 3
            want = (alpha * row + (1 - alpha) * column) * sq_mean[j].sqrt() ** 1.5
            torch.testing.assert_close(got[i, j], want)


def test_magnitude_is_the_absolute_weight() -> None:
    weight = _random(3, 5)
    assert torch.equal(magnitude(weight), weight.abs())


def test_wanda_is_the_formula_written_with_loops() -> None:
    weight, inputs = _random(3, 5), _random(7, 5, seed=1)

    got = wanda(weight, inputs.square().mean(0))

    for i in range(3):
        for j in range(5):
            want = weight[i, j].abs() * inputs[:, j].norm() / 7**0.5
            torch.testing.assert_close(got[i, j], want)


def test_gblm_is_the_formula_written_with_loops() -> None:
    weight, inputs, gradient = _random(3, 5), _random(7, 5, seed=1), _random(3, 5, seed=2).abs()

    got = gblm(weight, inputs.square().mean(0), gradient)

    for i in range(3):
        for j in range(5):
            size = weight[i, j].abs()
            want = size * inputs[:, j].norm() / 7**0.5 + size * gradient[i, j]
            torch.testing.assert_close(got[i, j], want)


def test_gradients_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"weight \(3, 5\) has gradients \(5, 3\)"):
        gblm(_random(3, 5), torch.ones(5), torch.ones(5, 3))


def test_ria_is_the_formula_written_with_loops() -> None:
    weight, inputs = _random(3, 5), _random(7, 5, seed=1)

    got = ria(weight, inputs.square().mean(0))

    for i in range(3):
        for j in range(5):
            size = weight[i, j].abs()
            of_column = size / sum(weight[k, j].abs() for k in range(3))
            of_row = size / sum(weight[i, k].abs() for k in range(5))
            want = (of_column + of_row) * (inputs[:, j].norm() / 7**0.5).sqrt()
            torch.testing.assert_close(got[i, j], want)


@every_score
def test_a_common_factor_of_the_inputs_leaves_the_order_unchanged(score: Score) -> None:
    weight, sq_mean = _random(8, 16), _random(16).square()
    assert torch.equal(
        score(weight, sq_mean).flatten().argsort(),
        score(weight, 16 * sq_mean).flatten().argsort(),
    )


@every_score
@pytest.mark.parametrize("line", [(0, slice(None)), (slice(None), 0)])
def test_a_row_or_column_of_zeros_scores_lowest_and_leaves_the_others_finite(
    line: tuple[int | slice, int | slice], score: Score
) -> None:
    weight = _random(6, 8)
    weight[line] = 0

    got = score(weight, torch.ones(8))

    assert got.isfinite().all()
    assert got[line].max() < got[weight != 0].min()


@pytest.mark.parametrize("score", [wanda, ria, zpruner])
def test_weights_of_a_dead_input_score_above_zeros_and_below_all_others(score: Score) -> None:
    weight, sq_mean = _random(6, 8), torch.ones(8)
    weight[2, 5], sq_mean[3] = 0, 0

    got = score(weight, sq_mean)

    living = torch.ones(6, 8, dtype=torch.bool)
    living[:, 3] = living[2, 5] = False
    assert got[2, 5] < got[:, 3].min()
    assert got[:, 3].max() < got[living].min()


@every_score
@given(
    st.integers(1, 6),
    st.integers(1, 12),
    st.floats(0, 1),
    st.integers(0, 99),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e3]),
)
def test_scores_are_finite_for_any_zeros_and_any_scale(
    score: Score, rows: int, columns: int, share: float, seed: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(rows, columns, generator=generator)
    weight[torch.rand(rows, columns, generator=generator) < share] = 0
    sq_mean = torch.randn(columns, generator=generator).square()
    sq_mean[torch.rand(columns, generator=generator) < share] = 0

    got = score(weight, sq_mean)

    assert got.isfinite().all()
    assert (got[weight == 0] <= 0).all()


@every_score
@pytest.mark.parametrize(
    ("pattern", "zeros"),
    [(Unstructured(0.3), 50), (Unstructured(0.7), 70), (NofM(2, 5), 60), (NofM(4, 5), 50)],
)
def test_a_half_zero_matrix_gets_no_more_zeros_than_requested(
    score: Score, pattern: Pattern, zeros: int
) -> None:
    weight = _random(10, 10)
    weight[:, ::2] = 0
    weight = weight[:, torch.tensor([0, 2, 1, 3, 5, 4, 6, 7, 9, 8])]  # 2 or 3 zeros of each 5
    sq_mean = _random(10).square()
    sq_mean[:3] = 0

    pruned = weight.masked_fill(~pattern.keep(score(weight, sq_mean)), 0.0)

    assert int((pruned == 0).sum()) == zeros


@every_score
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_are_fp32_and_do_not_change_their_arguments(
    dtype: torch.dtype, score: Score
) -> None:
    weight, sq_mean = _random(4, 8).to(dtype), _random(8).square()
    weight[0, 0] = 0
    before = weight.clone(), sq_mean.clone()
    assert score(weight, sq_mean).dtype == torch.float32
    assert torch.equal(weight, before[0])
    assert torch.equal(sq_mean, before[1])


@every_score
def test_an_all_zero_matrix_is_scored_without_nan(score: Score) -> None:
    assert score(torch.zeros(4, 8), torch.ones(8)).isfinite().all()


@pytest.mark.parametrize("score", [wanda, ria, zpruner])
def test_statistics_of_another_width_are_refused(score: Score) -> None:
    with pytest.raises(
        ShapeError, match=r"weight \(4, 8\) needs \[8\] input statistics, got \(7,\)"
    ):
        score(_random(4, 8), torch.ones(7))
