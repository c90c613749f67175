import pytest

from worker.pruning.base.errors import RefinementError
from worker.pruning.refinement.settings import Refinement, WindowCounts


@pytest.mark.parametrize(
    ("windows", "seq_len", "tokens", "counts"),
    [
        (128, 2048, None, WindowCounts(128, 112, 16, 1, 1024)),
        (16, 512, None, WindowCounts(16, 14, 2, 2, 512)),
        (9, 16, None, WindowCounts(9, 8, 1, 8, 16)),  # a step takes no window twice
        (128, 512, 8 * 512, WindowCounts(128, 7, 1, 2, 512)),
        (128, 512, 10**9, WindowCounts(128, 112, 16, 2, 512)),
    ],
)
def test_an_eighth_of_the_windows_is_held_out_and_a_step_takes_about_1024_tokens(
    windows: int, seq_len: int, tokens: int | None, counts: WindowCounts
) -> None:
    assert Refinement(tokens=tokens).window_counts(windows, seq_len) == counts


def test_fewer_than_eight_windows_are_refused_with_what_to_change() -> None:
    with pytest.raises(RefinementError, match=r"gets 7 of 16 tokens; set samples to 8 or more$"):
        Refinement().window_counts(7, 16)
    with pytest.raises(RefinementError, match=r"gets 3 of 16 tokens; set its tokens to 128"):
        Refinement(tokens=50).window_counts(20, 16)
