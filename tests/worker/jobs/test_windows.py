import torch

from tests.models import random_ids
from worker.jobs.windows import JobWindows, RecoveryWindows
from worker.sources.windows import windows


def test_text_that_the_recovery_trains_on_overlaps_as_well() -> None:
    ids = random_ids(6, 20)
    calibration, evaluation, held_out = (windows(ids[start : start + 2]) for start in (0, 2, 4))
    assert JobWindows(calibration, evaluation).overlap() == 0.0
    training = windows(torch.cat([ids[:2], ids[2:3]]))
    recovered = JobWindows(calibration, evaluation, RecoveryWindows(training, held_out))
    assert recovered.overlap() == 0.5
