"""Dividing parameters among kinds of units."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from worker.pruning.structure.division import Kind, divide

KINDS = some.lists(
    some.builds(
        lambda steps, parameters, step: Kind(steps * step, parameters, step),
        some.integers(2, 40),
        some.integers(1, 500),
        some.sampled_from((1, 8)),
    ),
    min_size=1,
    max_size=4,
)


@given(KINDS, some.floats(0, 1))
def test_whole_steps_are_removed_and_one_of_each_kind_stays(
    kinds: list[Kind], share: float
) -> None:
    whole = sum(kind.units * kind.parameters for kind in kinds)
    counts = divide(share * whole, kinds)
    for kind, count in zip(kinds, counts, strict=True):
        assert count % kind.step == 0
        assert 0 <= count <= kind.units - kind.step


@given(KINDS, some.floats(0, 1))
def test_the_sum_is_met_as_closely_as_the_steps_allow(kinds: list[Kind], share: float) -> None:
    wanted = share * sum(kind.most_parameters for kind in kinds)
    counts = divide(wanted, kinds)
    removed = sum(count * kind.parameters for kind, count in zip(kinds, counts, strict=True))
    ordered = sorted(kinds, key=lambda kind: kind.step_parameters, reverse=True)
    assert abs(removed - wanted) <= ordered[0].step_parameters / 2 + 1e-6
    later = [sum(one.most_parameters for one in ordered[at:]) for at in range(1, len(ordered))]
    if all(kind.step_parameters <= most for kind, most in zip(ordered, later, strict=False)):
        assert abs(removed - wanted) <= ordered[-1].step_parameters / 2 + 1e-6


def test_kinds_lose_the_same_share_and_small_steps_make_up_for_large_ones() -> None:
    heads, channels = Kind(2, 4608), Kind(48, 288, 8)
    assert divide(0.3 * 23_040, [channels, heads]) == [8, 1]
    assert divide(0.2 * 23_040, [channels, heads]) == [16, 0]
    assert divide(4608 + 40 * 288, [channels, heads]) == [40, 1]


@pytest.mark.parametrize("parameters", [0.0, 1.0, 1000.0])
def test_a_single_kind_loses_what_is_nearest(parameters: float) -> None:
    assert divide(parameters, [Kind(10, 100)]) == [min(round(parameters / 100), 9)]
