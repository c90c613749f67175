from dataclasses import replace

from worker.pruning.refinement.settings import WindowCounts
from worker.pruning.refinement.window_draw import WindowDraw

COUNTS = WindowCounts(available=16, training=14, held_out=2, per_step=4, tokens=8)


def test_no_window_is_both_trained_on_and_held_out() -> None:
    draw = WindowDraw(COUNTS, seed=3)
    assert sorted(draw.training + draw.held_out) == list(range(16))
    assert len(draw.held_out) == 2
    trained = {window for batch in draw.batches(0, 50) for window in batch}
    assert trained == set(draw.training)


def test_of_more_windows_than_are_used_some_are_drawn() -> None:
    draw = WindowDraw(replace(COUNTS, available=1000), seed=3)
    drawn = draw.training + draw.held_out
    assert len(set(drawn)) == 16
    assert max(drawn) > 500


def test_all_windows_are_trained_on_before_any_is_repeated() -> None:
    batches = list(WindowDraw(COUNTS, seed=3).batches(0, 7))
    assert [len(batch) for batch in batches] == [4] * 7
    drawn = [window for batch in batches for window in batch]
    assert sorted(drawn[:14]) == sorted(drawn[14:]) == WindowDraw(COUNTS, seed=3).training
    assert drawn[:14] != drawn[14:]


def test_a_draw_that_skips_steps_continues_after_them() -> None:
    whole = list(WindowDraw(COUNTS, seed=3).batches(2, 7))
    assert list(WindowDraw(COUNTS, seed=3, first_step=3).batches(2, 4)) == whole[3:]


def test_the_seed_and_the_block_decide_the_order() -> None:
    def drawn(seed: int, block: int) -> list[list[int]]:
        return list(WindowDraw(COUNTS, seed).batches(block, 5))

    assert drawn(0, 1) == drawn(0, 1)
    assert drawn(0, 1) != drawn(0, 2)
    assert WindowDraw(COUNTS, 0).held_out != WindowDraw(COUNTS, 1).held_out
    assert WindowDraw(COUNTS, 2**63 - 1).held_out
