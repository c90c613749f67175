"""How long the rest of a job will take."""

import pytest

from db.core.states import Phase
from worker.jobs.eta import UNKNOWN, EtaEstimator
from worker.jobs.progress import JobProgress


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def block(index: int, total: int) -> JobProgress:
    return JobProgress(Phase.pruning, 0.02 + 0.93 * (index + 1) / total, (index, total, "layers"))


def left(
    *seconds: float, total: int, resumed: int | None = None, before: float = 600
) -> list[float]:
    """Return p50 and p90 after blocks that took so long, in an attempt that loaded for a while."""
    clock = Clock()
    estimator, eta = EtaEstimator(clock), None
    assert estimator.update(JobProgress(Phase.loading, 0.01)) is None
    clock.now += before
    assert (
        estimator.update(JobProgress(Phase.calibrating, 0.02, resumed_from_block=resumed)) is None
    )
    for index, took in enumerate(seconds):
        clock.now += took
        eta = estimator.update(block(index, total))
    return [seconds for seconds in eta or () if seconds is not None]


def test_the_remaining_time_follows_the_finished_blocks_and_not_the_download() -> None:
    remaining = 1 - block(7, 32).fraction
    pace = 10 * 32 / 0.93
    assert left(*[10] * 8, total=32) == pytest.approx([remaining * pace] * 2, abs=0.1)


def test_the_90th_percentile_follows_the_slowest_tenth_of_the_blocks() -> None:
    p50, p90 = left(*[10] * 9, *[30] * 2, total=32)
    assert p90 / p50 == pytest.approx(30 / ((9 * 10 + 2 * 30) / 11), rel=0.01)


def test_all_steps_of_a_gradual_job_count_also_those_of_its_recoveries() -> None:
    clock, eta = Clock(), None
    estimator = EtaEstimator(clock)
    estimator.update(JobProgress(Phase.calibrating, 0.0, resumed_from_block=1, step=(1, 2)))
    for place, index in (((1, 2), 1), ((2, 2), 0)):
        clock.now += 10  # the first block of the second step is not one that was kept
        done = JobProgress(Phase.pruning, 0.1 * place[0], (index, 2, "layers"), step=place)
        eta = estimator.update(done)
    assert eta is not None
    assert eta[0] == pytest.approx(0.8 * 10 / 0.1, abs=0.1)
    for step in (1, 2):
        clock.now += 20
        fields = {"stage": "training", "step": step, "steps": 2}
        trained = JobProgress(Phase.recovering, 0.2 + 0.1 * step, recovery=fields, step=(2, 2))
        eta = estimator.update(trained)
    assert eta is not None
    assert eta[0] == pytest.approx(0.6 * (10 + 10 + 20) / 0.3, abs=0.1)


def test_steps_inside_a_block_do_not_end_it() -> None:
    clock = Clock()
    estimator = EtaEstimator(clock)
    estimator.update(JobProgress(Phase.calibrating, 0.02))
    estimator.update(JobProgress(Phase.pruning, 0.02))
    for _ in range(10):
        clock.now += 1
        assert estimator.update(JobProgress(Phase.pruning, 0.02)) is None
    eta = estimator.update(block(0, 32))
    assert eta is not None
    assert eta[0] == pytest.approx(10 * 32 / 0.93 * (1 - block(0, 32).fraction), abs=0.1)


def test_with_few_blocks_the_90th_percentile_is_a_fixed_factor() -> None:
    p50, p90 = left(10, 10, total=32)
    assert p90 == pytest.approx(1.4 * p50, abs=0.1)


def test_repeated_blocks_are_ignored() -> None:
    assert left(*[0.1] * 20, total=32, resumed=20) == []
    assert left(*[0.1] * 20, 10, total=32, resumed=20)[0] == pytest.approx(
        10 * 32 / 0.93 * (1 - block(20, 32).fraction), abs=0.1
    )


def step(stage: str, number: int, fraction: float) -> JobProgress:
    done = {"stage": stage, "step": number, "steps": 10}
    return JobProgress(Phase.recovering, fraction, recovery=done)


def test_in_a_recovery_only_the_steps_of_the_present_stage_count() -> None:
    clock = Clock()
    estimator = EtaEstimator(clock)
    estimator.update(block(0, 2))
    clock.now += 100
    assert estimator.update(JobProgress(Phase.recovering, 0.5)) is None
    for number in range(3):
        clock.now += 1
        teaching = estimator.update(step("teacher", number, 0.51 + 0.01 * number))
    assert teaching == pytest.approx((47, 1.4 * 47), abs=0.1)
    clock.now += 50
    assert estimator.update(step("training", 0, 0.55)) is None
    for number in range(1, 3):
        clock.now += 10
        training = estimator.update(step("training", number, 0.55 + 0.1 * number))
    assert training == pytest.approx((25, 35), abs=0.1)


def test_what_is_measured_after_the_blocks_is_unknown_and_then_known_by_its_own_pace() -> None:
    clock = Clock()
    estimator = EtaEstimator(clock, is_measured=True)
    estimator.update(JobProgress(Phase.pruning, 0.02))
    for index in range(8):
        clock.now += 1
        eta = estimator.update(block(index, 8))
    assert eta is not None
    assert estimator.update(JobProgress(Phase.evaluating, 0.95)) == UNKNOWN
    for done in range(1, 4):  # four texts, which are 4 % of the work, of a minute each
        clock.now += 60
        text = JobProgress(Phase.evaluating, 0.95 + 0.01 * done)
        assert estimator.is_due(text)
        eta = estimator.update(text)
        assert eta is not None
        assert eta[0] == pytest.approx(60 * (4 - done), abs=0.1)
    clock.now += 60
    assert not estimator.is_due(JobProgress(Phase.packaging, 0.99))


@pytest.mark.parametrize("phase", [Phase.evaluating, Phase.writing])
def test_small_parts_of_a_measurement_or_a_text_are_reported_now_and_then(phase: Phase) -> None:
    clock = Clock()
    estimator = EtaEstimator(clock, is_measured=True)
    estimator.update(JobProgress(phase, 0.1))
    reported = 0
    for part in range(100):
        clock.now += 1
        progress = JobProgress(phase, 0.1 + 0.0005 * (part + 1))
        if estimator.is_due(progress):
            estimator.update(progress)
            reported += 1
    assert reported == 20
