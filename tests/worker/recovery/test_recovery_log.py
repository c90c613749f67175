"""The progress of a training, step by step."""

import json
from dataclasses import asdict

import pytest

from worker.recovery.recovery_log import TrainingState
from worker.recovery.results import CurvePoint


@pytest.mark.parametrize(
    ("losses", "best", "rises"),
    [
        ([3.9, 3.8, 3.7], 3, 0),
        ([4.1, 4.2, 4.3], 0, 3),
        ([4.1, 4.1, 4.1], 0, 3),
        ([4.9, 4.4, 4.1], 0, 1),  # it falls again, as after steps at a high rate or another mask
        ([4.9, 4.4, 3.9], 3, 0),
        ([3.9, 4.4, 4.2, 4.3], 1, 2),
    ],
)
def test_a_held_out_loss_that_falls_is_no_rise(losses: list[float], best: int, rises: int) -> None:
    state = TrainingState(0, 0, 4.0, 0, (CurvePoint(0, None, 4.0),))
    for step, loss in enumerate(losses, 1):
        state = state.with_step(CurvePoint(step, 1.0, loss))
    assert (state.best_step, state.rises) == (best, rises)
    assert state.best_loss == min(4.0, *losses)
    between = state.with_step(CurvePoint(state.step + 1, 1.0, None))
    assert (between.best_step, between.rises) == (best, rises)
    assert len(between.curve) == len(losses) + 2


def test_a_loss_of_the_warmup_is_no_rise_but_can_be_the_smallest() -> None:
    state = TrainingState(0, 0, 4.0, 0, (CurvePoint(0, None, 4.0),))
    higher = state.with_step(CurvePoint(1, 1.0, 4.5), in_warmup=True)
    assert (higher.best_step, higher.best_loss, higher.rises) == (0, 4.0, 0)
    lower = higher.with_step(CurvePoint(2, 1.0, 3.5), in_warmup=True)
    assert (lower.best_step, lower.best_loss, lower.rises) == (2, 3.5, 0)
    after = lower.with_step(CurvePoint(3, 1.0, 3.6), in_warmup=False)
    assert (after.best_step, after.rises) == (2, 1)


def test_the_best_state_of_a_mix_is_that_of_which_the_worst_text_is_best() -> None:
    state = TrainingState(0, 0, 3.0, 0, (CurvePoint(0, None, 3.0, (2.0, 4.0)),))
    for step, losses in enumerate([(0.8, 4.4), (1.9, 3.9), (1.0, 3.9), (1.9, 3.6)], 1):
        state = state.with_step(CurvePoint(step, 1.0, sum(losses) / 2, losses))
        if step == 2:
            assert (state.best_step, state.best_loss) == (2, 2.9)  # not step 1, whose mean is 2.6
    assert (state.best_step, state.best_loss, state.rises) == (4, 2.75, 0)
    worse = state.with_step(CurvePoint(5, 1.0, 2.0, (0.1, 3.9)))
    assert (worse.best_step, worse.rises) == (4, 1)
    falls = worse.with_step(CurvePoint(6, 1.0, 2.8, (1.75, 3.85)))
    assert (falls.best_step, falls.rises) == (4, 1)
    assert TrainingState.from_json(json.loads(json.dumps(asdict(state)))) == state
