"""The stages of a job share the end of its progress, and lie in the order of its report."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from db.core.states import Phase
from worker.jobs.progress import PACKAGED, JobProgress
from worker.jobs.stages import job_stages
from worker.jobs.stages.job_stages import STAGES, JobStages
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.pruning.base.generators import run_to_end

MODEL = WrittenModel(Path(), (), (), Path())


class Timed(Stage):
    """A stage that reports the shares between which it measures."""

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        yield JobProgress(Phase.evaluating, start)
        return Measured({self.part: end}, None)


class Long(Timed):
    part = "long"
    share = 0.25


class Short(Timed):
    part = "short"
    share = SHORT


class OfResult(Timed):
    part = "result"
    share = SHORT
    reads_result = True


@pytest.fixture(autouse=True)
def few_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_stages, "STAGES", (Long, Short, OfResult))


def measured(stages: JobStages, *, is_result: bool) -> tuple[dict[str, Any], list[float]]:
    steps: list[JobProgress] = []
    found = run_to_end(stages.measure(MODEL, is_result=is_result), steps.append)
    return {name: one.metrics[name] for name, one in found.items()}, [one.fraction for one in steps]


def test_the_sweep_leaves_room_for_the_stages_of_the_job() -> None:
    assert JobStages(()).start == pytest.approx(PACKAGED)
    assert JobStages((Short(), OfResult())).start == pytest.approx(0.95)
    assert JobStages((Long(),)).start == pytest.approx(0.74)


def test_stages_measure_one_after_the_other_up_to_the_packaging() -> None:
    stages = JobStages((Long(), Short(), OfResult()))
    ends, starts = measured(stages, is_result=False)
    assert list(ends) == ["long", "short"]
    assert starts == [pytest.approx(0.7), pytest.approx(0.95)]
    assert ends["short"] == pytest.approx(stages.completed)
    ends, starts = measured(stages, is_result=True)
    assert starts == [pytest.approx(0.97)]
    assert ends == {"result": pytest.approx(PACKAGED)}


def test_every_stage_has_a_part_of_the_report_of_its_own() -> None:
    parts = [kind.part for kind in STAGES]
    assert len(set(parts)) == len(parts)
