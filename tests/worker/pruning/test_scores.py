import pytest
import torch

from worker.pruning.errors import ShapeError
from worker.pruning.scores import zpruner


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


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


def test_a_common_factor_of_the_inputs_leaves_the_order_unchanged() -> None:
    weight, sq_mean = _random(8, 16), _random(16).square()
    assert torch.equal(
        zpruner(weight, sq_mean).flatten().argsort(),
        zpruner(weight, 4 * sq_mean).flatten().argsort(),
    )


@pytest.mark.parametrize("line", [(0, slice(None)), (slice(None), 0)])
def test_a_dead_row_or_column_scores_lowest_and_spoils_nothing(
    line: tuple[int | slice, int | slice],
) -> None:
    weight = _random(6, 8)
    weight[line] = 0

    score = zpruner(weight, torch.ones(8))

    assert score.isfinite().all()
    assert score[line].max() < score[weight != 0].min()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_are_fp32_and_leave_the_weight_as_it_was(dtype: torch.dtype) -> None:
    weight = _random(4, 8).to(dtype)
    before = weight.clone()
    assert zpruner(weight, torch.ones(8)).dtype == torch.float32
    assert torch.equal(weight, before)


def test_an_all_zero_matrix_is_scored_without_nan() -> None:
    assert zpruner(torch.zeros(4, 8), torch.ones(8)).isfinite().all()


def test_statistics_of_another_width_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"weight \(4, 8\) needs \[8\] input statistics, got \(7,\)"
    ):
        zpruner(_random(4, 8), torch.ones(7))
