import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.pruning.patterns import Unstructured, keep_largest


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
