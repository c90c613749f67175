"""How many experts stay, and which numbers are refused."""

import pytest

from worker.pruning.base.errors import ExpertsError, RatioError
from worker.pruning.experts.counts import kept_experts
from worker.pruning.experts.layers import Routing
from worker.pruning.experts.settings import ExpertSettings

PLAIN, GROUPS = Routing(2), Routing(8, 8, 4)


@pytest.mark.parametrize(
    ("ratio", "count", "routing", "kept"),
    [
        (0.25, 8, PLAIN, 6),
        (0.3, 8, PLAIN, 6),  # int(2.4) experts go
        (0.34, 6, PLAIN, 4),
        (0.25, 60, PLAIN, 45),  # 60 is no multiple of 8
        (0.25, 128, PLAIN, 96),
        (0.3, 128, PLAIN, 88),  # 38 would go, which leaves 90
        (0.29, 128, PLAIN, 88),  # 37 would go, which leaves 91
        (0.28, 128, PLAIN, 96),  # 35 would go, which leaves 93
        (0.4, 32, PLAIN, 24),  # 20 is as near to 16
        (0.25, 24, PLAIN, 18),
        (0.25, 256, GROUPS, 192),
        (0.1, 256, GROUPS, 232),
        (0.3, 16, Routing(2, 4, 2), 12),
        (0.3, 160, Routing(6, 3, 2), 120),
    ],
)
def test_a_ratio_leaves_a_number_that_groups_and_engines_take(
    ratio: float, count: int, routing: Routing, kept: int
) -> None:
    assert kept_experts(ExpertSettings(ratio), count, routing) == kept


@pytest.mark.parametrize(
    ("ratio", "count", "routing", "reason"),
    [
        (0.1, 8, PLAIN, "a ratio of 0.1 removes none of 8 experts; set ratio to 0.125"),
        (0.02, 128, PLAIN, "removes none of 128 experts in steps of 8; set ratio to 0.0625"),
        (0.9, 8, PLAIN, "leaves 1 of 8 experts, and a token needs at least 2 .* ratio to 0.75"),
        (0.98, 256, GROUPS, "leaves 8 of 256.* at most 4 of 8 groups.*ratio to 0.9375"),
        (0.9, 256, Routing(8, 8, 2), "needs 8 experts, from at most 2 of 8 .* least 32 have"),
    ],
)
def test_a_ratio_that_removes_none_or_too_many_names_the_nearest(
    ratio: float, count: int, routing: Routing, reason: str
) -> None:
    with pytest.raises(RatioError, match=reason):
        kept_experts(ExpertSettings(ratio), count, routing)


@pytest.mark.parametrize(
    ("kept", "count", "routing", "reason"),
    [
        (8, 8, PLAIN, "each layer has 8 experts.*a number from 2 to 7"),
        (1, 8, PLAIN, "needs at least 2 experts to choose its 2 experts from.*from 2 to 7"),
        (97, 256, GROUPS, "into 8 groups, each .* from 16 to 248 that is a multiple of 8"),
        (8, 256, GROUPS, "at least 16 have to stay"),
    ],
)
def test_a_number_that_does_not_fit_names_those_that_do(
    kept: int, count: int, routing: Routing, reason: str
) -> None:
    with pytest.raises(ExpertsError, match=reason):
        kept_experts(ExpertSettings(0, kept), count, routing)


def test_a_number_is_taken_as_it_is() -> None:
    assert kept_experts(ExpertSettings(0, 97), 128, PLAIN) == 97
    assert kept_experts(ExpertSettings(0, 16), 256, GROUPS) == 16
