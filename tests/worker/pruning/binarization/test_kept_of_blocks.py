"""How many weights each block keeps."""

import pytest

from worker.pruning.binarization.kept_of_blocks import kept_of_blocks
from worker.pruning.binarization.settings import Binarization

DISTANCES = [0.7, 0.05, 0.01, 0.2, 0.02, 0.4, 0.03, 1.3, 0.08, 0.1]


@pytest.mark.parametrize(
    ("kept", "low", "high"),
    [(4, 3, 5), (4.4, 3, 6), (4.4, 4, 5), (2.7, 1, 8), (3, 3, 5), (5, 3, 5), (6, 6, 6)],
)
def test_the_mean_is_the_requested_one_and_blocks_that_change_more_keep_more(
    kept: float, low: int, high: int
) -> None:
    numbers = kept_of_blocks(Binarization(kept, low, high), DISTANCES)

    assert sum(numbers) == round(kept * len(DISTANCES))
    assert low <= min(numbers)
    assert max(numbers) <= high
    ordered = [number for _, number in sorted(zip(DISTANCES, numbers, strict=True))]
    assert ordered == sorted(ordered)


def test_blocks_that_matter_equally_keep_equally_many_or_one_more() -> None:
    assert kept_of_blocks(Binarization(4, 2, 6), [0.2] * 5) == [4] * 5
    assert kept_of_blocks(Binarization(4.5, 2, 6), [0.2] * 4) == [5, 5, 4, 4]


def test_the_numbers_rise_in_proportion_to_the_inverse_of_the_cosine() -> None:
    """Importances of 1, 1.5 and 2 stand for 2, 4 and 6 kept weights."""
    assert kept_of_blocks(Binarization(4, 2, 6), [0.0, 1 / 3, 0.5]) == [2, 4, 6]
