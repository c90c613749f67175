"""The stages of a job, in their order."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import PACKAGED, JobProgress
from worker.jobs.stages.benchmark import BenchmarkStage
from worker.jobs.stages.binarize import BinarizeStage
from worker.jobs.stages.experts import ExpertsStage
from worker.jobs.stages.generate import GenerateStage
from worker.jobs.stages.quantize import QuantizeStage
from worker.jobs.stages.rank_answers.ranking import RankAnswersStage
from worker.jobs.stages.rotate import RotateStage
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.jobs.stages.target import TargetStage
from worker.jobs.stages.tasks.loading import TasksStage
from worker.jobs.stages.texts.comparison import TextsStage
from worker.jobs.stages.vocabulary import VocabularyStage
from worker.pruning.planning.memory_limits import require_whole_model

STAGES: tuple[type[Stage], ...] = (
    QuantizeStage,
    BinarizeStage,
    TargetStage,
    ExpertsStage,
    RotateStage,
    TextsStage,
    TasksStage,
    RankAnswersStage,
    GenerateStage,
    VocabularyStage,
    BenchmarkStage,
)
"""In the order in which they measure the model, and in which the report has them."""


@dataclass(frozen=True)
class JobStages:
    """The stages that a job asks for, checked."""

    stages: tuple[Stage, ...]

    @classmethod
    def open(cls, job: OpenedJob) -> Self:
        """Load what the stages need, and check that they are possible.

        Raises:
            SpecRefusedError: a stage is not possible with this model.
            InsufficientMemoryError: the whole model does not fit into memory, and must.
            UnsupportedModelError: transformers would attach an adapter to the model.
        """
        stages: list[Stage] = []
        for kind in STAGES:
            if (stage := kind.open(job)) is not None:
                stages.append(stage)
                if kind.whole_model is not None:
                    require_whole_model(job.meta_model, job.budget_of_a_process, *kind.whole_model)
        return cls(tuple(stages))

    def prepare(self, out: Path) -> Generator[JobProgress, None, Self]:
        """Do what comes before the first block; ``out`` is the folder of the result."""
        stages: list[Stage] = []
        for stage in self.stages:
            stages.append((yield from stage.prepare(out)))
        return type(self)(tuple(stages))

    def swept(self, job: OpenedJob) -> OpenedJob:
        """Return the job as the stages leave it to the sweep; call `prepare` first."""
        for stage in self.stages:
            job = stage.swept(job)
        return job

    @property
    def start(self) -> float:
        """The share of the job's work that is done before the model is measured."""
        return next(start for _, start, _ in self._spans())

    @property
    def completed(self) -> float:
        """The share of the job's work that is done before the result is measured as it is used."""
        return next(start for kind, start, _ in self._spans() if kind.reads_result)

    def measure(
        self, model: WrittenModel, *, is_result: bool
    ) -> Generator[JobProgress, None, dict[str, Measured]]:
        """Measure the weights, or the folder of the result as it is used, by part of the report."""
        measured: dict[str, Measured] = {}
        for kind, start, end in self._spans():
            stage = self._stage(kind)
            if stage is not None and kind.reads_result == is_result:
                measured[kind.part] = yield from stage.measure(model, start, end)
        return measured

    @property
    def rewriting(self) -> Stage | None:
        """The stage that writes the model's files anew; None without one."""
        return next((stage for stage in self.stages if stage.rewrites), None)

    def complete(self, out: Path) -> tuple[str, ...]:
        """Add files to the result in place of the model's own; return their names."""
        return tuple(name for stage in self.stages for name in stage.complete(out))

    def config_entry(self) -> Mapping[str, Any] | None:
        """Return the entry of config.json about how the weights are stored; None for none."""
        entries = (stage.config_entry() for stage in self.stages)
        return next((entry for entry in entries if entry is not None), None)

    def _stage(self, kind: type[Stage]) -> Stage | None:
        return next((stage for stage in self.stages if isinstance(stage, kind)), None)

    def _spans(self) -> Iterator[tuple[type[Stage], float, float]]:
        """Yield each kind of stage with the shares of the job done before and after it."""
        shares = [kind.share if self._stage(kind) else 0 for kind in STAGES]
        for place, kind in enumerate(STAGES):
            yield kind, PACKAGED - sum(shares[place:]), PACKAGED - sum(shares[place + 1 :])


def card_steps(report: Mapping[str, Any]) -> Iterable[str]:
    """Describe the stages of the job of a report; a rotation comes before what it helps."""
    for kind in reversed(STAGES):
        if kind.part in report:
            yield from kind.card(report[kind.part], report["metrics"].get(kind.part))
