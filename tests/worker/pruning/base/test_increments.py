"""How increments divide what is removed."""

import pytest

from worker.pruning.base.errors import IncrementsError
from worker.pruning.base.increments import AT_ONCE, Increment


@pytest.mark.parametrize(("count", "total"), [(128, 10), (7, 7), (4, 10), (0, 3)])
def test_increments_share_everything_as_evenly_as_whole_numbers_allow(
    count: int, total: int
) -> None:
    increments = [Increment(number, total) for number in range(1, total + 1)]
    shares = [one.reached(count) - one.reached_before(count) for one in increments]
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def test_the_last_increment_reaches_exactly_everything() -> None:
    for total in range(1, 51):
        assert Increment(total, total).share == 1.0
    assert not AT_ONCE.continues
    assert Increment(2, 2).continues


def test_fewer_things_than_increments_are_refused_with_the_most_that_fit() -> None:
    Increment(1, 5).check_divides(5, "blocks")
    AT_ONCE.check_divides(0, "blocks")
    with pytest.raises(IncrementsError, match="in 5 steps; set steps to 4 or less"):
        Increment(2, 5).check_divides(4, "blocks")


@pytest.mark.parametrize("number", [0, 4])
def test_a_number_that_is_not_one_of_all_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="is not from 1 to 3"):
        Increment(number, 3)
