"""The progress of a training, step by step."""

import pytest

from worker.recovery.recovery_log import TrainingState
from worker.recovery.results import CurvePoint


@pytest.mark.parametrize(
    ("losses", "best", "with_one_mask", "with_another"),
    [
        ([3.9, 3.8, 3.7], 3, 0, 0),
        ([4.1, 4.2, 4.3], 0, 3, 3),
        ([4.1, 4.1, 4.1], 0, 3, 3),
        ([4.9, 4.4, 4.1], 0, 3, 1),  # it falls again, as after another mask
        ([4.9, 4.4, 3.9], 3, 0, 0),
        ([3.9, 4.4, 4.2, 4.3], 1, 3, 2),
    ],
)
@pytest.mark.parametrize("changes_mask", [False, True])
def test_a_held_out_loss_that_falls_is_no_rise_if_the_mask_changes(
    losses: list[float], best: int, with_one_mask: int, with_another: int, changes_mask: bool
) -> None:
    rises = with_another if changes_mask else with_one_mask
    state = TrainingState(0, 0, 4.0, 0, (CurvePoint(0, None, 4.0),))
    for step, loss in enumerate(losses, 1):
        state = state.with_step(CurvePoint(step, 1.0, loss), changes_mask=changes_mask)
    assert (state.best_step, state.rises) == (best, rises)
    assert state.best_loss == min(4.0, *losses)
    between = state.with_step(CurvePoint(state.step + 1, 1.0, None), changes_mask=changes_mask)
    assert (between.best_step, between.rises) == (best, rises)
    assert len(between.curve) == len(losses) + 2
