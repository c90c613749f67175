import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.pruning.base.errors import PatternError, ShapeError
from worker.pruning.methods.patterns import NofM, Unstructured, keep_largest


def _by_sort(score: torch.Tensor, kept: int) -> torch.Tensor:
    """Sort whole rows, as the papers' scripts do: the oracle."""
    drop = score.argsort(dim=1, stable=True)[:, : score.shape[1] - kept]
    return torch.ones_like(score, dtype=torch.bool).scatter(1, drop, False)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 5), st.data())
def test_selection_keeps_what_a_stable_sort_keeps_even_among_ties(
    rows: int, columns: int, levels: int, data: st.DataObject
) -> None:
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    score = torch.randint(0, levels + 1, (rows, columns), generator=generator).float()
    kept = data.draw(st.integers(0, columns))
    assert torch.equal(keep_largest(score, kept), _by_sort(score, kept))


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.65, 0.9])
@pytest.mark.parametrize("scores", ["ties", "random"])
def test_the_dropped_count_is_exact(sparsity: float, scores: str) -> None:
    score = torch.zeros(3, 20) if scores == "ties" else torch.rand(3, 20)
    assert (~Unstructured(sparsity, "row").keep(score)).sum(1).tolist() == [
        round(20 * sparsity)
    ] * 3
    assert (~Unstructured(sparsity).keep(score)).sum() == round(60 * sparsity)


def test_a_half_zero_matrix_loses_no_more_than_asked() -> None:
    score = torch.cat([torch.zeros(50), torch.arange(1.0, 51)]).view(10, 10)
    assert (~Unstructured(0.3).keep(score)).sum() == 30


def test_the_published_mask_drops_one_more_of_a_matrix_and_truncates_in_rows() -> None:
    score = torch.rand(4, 43, generator=torch.Generator().manual_seed(0))
    assert (~Unstructured(0.5).keep_as_published(score)).sum() == 87
    assert (~Unstructured(0.3, "row").keep_as_published(score)).sum(1).tolist() == [12] * 4


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 9), st.integers(0, 5), st.data())
def test_n_of_m_keeps_the_n_best_of_each_group_as_a_loop_finds_them(
    rows: int, groups: int, m: int, levels: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, m))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    score = torch.randint(0, levels + 1, (rows, groups * m), generator=generator).float()

    keep = NofM(n, m).keep(score)

    for row in range(rows):
        for start in range(0, groups * m, m):
            group = range(start, start + m)
            best = sorted(group, key=lambda column: (float(score[row, column]), column))[m - n :]
            assert [column for column in group if keep[row, column]] == sorted(best)


def test_n_counts_what_stays() -> None:
    assert NofM(1, 4).keep(torch.tensor([[3.0, 1.0, 4.0, 2.0]])).tolist() == [
        [False, False, True, False]
    ]
    assert NofM(1, 4).sparsity == 0.75


def test_a_score_that_is_a_transposed_view_is_grouped_along_its_rows() -> None:
    score = torch.rand(8, 6, generator=torch.Generator().manual_seed(0)).T
    assert torch.equal(NofM(2, 4).keep(score), NofM(2, 4).keep(score.contiguous()))


def test_rows_that_do_not_split_into_groups_are_refused_with_the_remedy() -> None:
    remedy = r"rows of 172 weights .* groups of 8; skip this layer, choose an m that divides 172"
    for keep in (NofM(4, 8).keep, NofM(4, 8).keep_as_published):
        with pytest.raises(ShapeError, match=remedy):
            keep(torch.zeros(2, 172))


@pytest.mark.parametrize(("n", "m"), [(0, 4), (5, 4), (-1, 4), (0, 0)])
def test_an_impossible_n_of_m_is_refused(n: int, m: int) -> None:
    with pytest.raises(PatternError, match=f"pattern {n}:{m} is impossible; choose"):
        NofM(n, m)
