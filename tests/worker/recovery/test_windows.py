"""The order of the training windows."""

import pytest
import torch

from tests.models import random_ids
from tests.worker.recovery.recoveries import recovery_settings
from worker.pruning.base.errors import ShapeError
from worker.recovery.windows import RecoveryWindows, training_order, with_each_source


def test_every_window_is_drawn_once_before_any_is_repeated() -> None:
    order = training_order(7, 17, seed=3).tolist()
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7))
    assert order[:7] != order[7:14]


def test_the_first_windows_do_not_depend_on_how_many_are_wanted() -> None:
    assert training_order(7, 17, seed=3)[:5].tolist() == training_order(7, 5, seed=3).tolist()
    assert training_order(7, 7, seed=3).tolist() != training_order(7, 7, seed=4).tolist()


@pytest.mark.parametrize("wanted", [3, 20])
def test_only_windows_that_are_used_are_kept(wanted: int) -> None:
    training, held_out = random_ids(6, 16, seed=1), random_ids(2, 16, seed=2)

    windows = RecoveryWindows.of(
        training, held_out, recovery_settings("masked", tokens=wanted * 16), seed=0
    )

    assert len(windows.ids) == 2 + min(wanted, 6)
    assert torch.equal(windows.ids[:2], held_out)
    order = training_order(6, wanted, seed=0)
    assert torch.equal(windows.ids[windows.order], training[order])
    steps = torch.cat([windows.of_step(step) for step in range(windows.steps)])
    assert torch.equal(steps, windows.order)
    assert windows.tokens_until(windows.steps) == wanted * 16


def test_a_window_that_comes_several_times_is_kept_once() -> None:
    different, held_out = random_ids(3, 16, seed=1), random_ids(2, 16, seed=2)
    training = different[torch.tensor([0, 1, 0, 2, 0, 1])]

    windows = RecoveryWindows.of(
        training, held_out, recovery_settings("masked", tokens=6 * 16), seed=0
    )

    assert len(windows.ids) == 2 + 3
    assert torch.equal(windows.ids[windows.order], training[training_order(6, 6, seed=0)])


def test_windows_of_other_lengths_are_refused() -> None:
    recovery = recovery_settings("masked")
    with pytest.raises(ShapeError, match=r"training windows \[6, 16\] and held-out .*\[2, 8\]"):
        RecoveryWindows.of(random_ids(6, 16), random_ids(2, 8), recovery, seed=0)
    with pytest.raises(ShapeError, match="at least one window each"):
        RecoveryWindows.of(random_ids(6, 16), random_ids(0, 16), recovery, seed=0)


def test_skipped_tokens_are_not_counted_and_leave_one() -> None:
    windows = random_ids(6, 16), random_ids(2, 16)
    for skip, predicted in ((0, 15), (4, 11), (14, 1)):
        found = RecoveryWindows.of(*windows, recovery_settings("masked", skip=skip), seed=0)
        assert found.predicted == predicted
    with pytest.raises(ShapeError, match="16 tokens predict none after skip 15"):
        RecoveryWindows.of(*windows, recovery_settings("masked", skip=15), seed=0)


def test_held_out_windows_of_a_text_without_any_left_do_not_count() -> None:
    training, held_out = random_ids(6, 16), random_ids(5, 16)
    given = (training, held_out, recovery_settings("masked"), 0)
    assert RecoveryWindows.of(*given).sources == (0,) * 5
    assert RecoveryWindows.of(*given, sources=(2, 0, 2, 1, 0)).sources == (2, 0, 2, 1, 0)
    few = (training, held_out[:3], recovery_settings("masked"), 0)
    assert RecoveryWindows.of(*few, 2, sources=(2, 0, 1)).sources == (1, 0)


def test_several_devices_leave_each_text_its_first_held_out_window() -> None:
    held_out = random_ids(5, 16, seed=2)
    windows = RecoveryWindows.of(
        random_ids(6, 16), held_out, recovery_settings("masked"), 0, 2, sources=(0, 0, 1, 0, 2)
    )
    assert windows.sources == (0, 0, 1, 2)
    assert torch.equal(windows.ids[:4], held_out[[0, 1, 2, 4]])


@pytest.mark.parametrize(
    ("count", "places"), [(1, [0]), (3, [0, 3, 5]), (5, [0, 1, 2, 3, 5]), (9, [*range(6)])]
)
def test_chosen_windows_have_one_of_each_source(count: int, places: list[int]) -> None:
    assert with_each_source((0, 0, 0, 1, 0, 2), count) == places
