"""The progress of a training, step by step."""

import pytest

from worker.recovery.recovery_log import TrainingState
from worker.recovery.results import CurvePoint


@pytest.mark.parametrize(
    ("losses", "best", "rises"),
    [
        ([3.9, 3.8, 3.7], 3, 0),
        ([4.1, 4.2, 4.3], 0, 3),
        ([4.1, 4.1, 4.1], 0, 3),
        ([4.9, 4.4, 4.1], 0, 1),  # it falls again, as after another mask
        ([4.9, 4.4, 3.9], 3, 0),
        ([3.9, 4.4, 4.2, 4.3], 1, 2),
    ],
)
def test_a_held_out_loss_counts_as_a_rise_if_it_is_not_below_the_one_before(
    losses: list[float], best: int, rises: int
) -> None:
    state = TrainingState(0, 0, 4.0, 0, (CurvePoint(0, None, 4.0),))
    for step, loss in enumerate(losses, 1):
        state = state.with_step(CurvePoint(step, 1.0, loss))
    assert (state.best_step, state.rises) == (best, rises)
    assert state.best_loss == min(4.0, *losses)
    between = state.with_step(CurvePoint(state.step + 1, 1.0, None))
    assert (between.best_step, between.rises) == (best, rises)
    assert len(between.curve) == len(losses) + 2
