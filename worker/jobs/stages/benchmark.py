"""The benchmark of a job: how fast the dense and the pruned model run on the worker's device."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Self

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.descriptions.option import UNFIT
from worker.benchmark.comparison import compare
from worker.benchmark.measurement import NEW_TOKENS, draw_prompt
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.pruning.base.generators import mapped


@dataclass(frozen=True)
class BenchmarkStage(Stage):
    """The benchmark of a job, checked.

    Attributes:
        runtime: the program that runs both models.
    """

    part = "benchmark"
    share = SHORT
    reads_result = True
    whole_model = ("benchmark to false", "a benchmark")
    job: OpenedJob
    runtime: TransformersRuntime

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Check that the model can be run.

        Raises:
            SpecRefusedError: the model's context is too short for the new tokens.
            UnsupportedModelError: transformers would attach an adapter to the model.
        """
        if not job.spec.benchmark:
            return None
        runtime = TransformersRuntime(job.devices[0], job.meta_model.dtype)
        if not draw_prompt([runtime.limits(job.model.path)]):
            reason = f"the model's context leaves no room for {NEW_TOKENS} new tokens"
            raise SpecRefusedError("benchmark", True, UNFIT, reason, "Leave benchmark out.")
        return cls(job, runtime)

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Measure both models in turns; yield progress after each measurement."""

        def progress_of(done: float) -> list[JobProgress]:
            return [JobProgress(Phase.evaluating, start + (end - start) * done)]

        folders = (self.job.model.path, model.folder)
        prompt = draw_prompt([self.runtime.limits(folder) for folder in folders])
        measured = compare(self.runtime, *folders, prompt)
        comparison = yield from mapped(measured, progress_of)
        return Measured(comparison.metrics(), comparison.report())
