"""The benchmark of a job: how fast the dense and the pruned model run on the worker's device."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.options.option import UNFIT
from worker.benchmark.comparison import Comparison, compare
from worker.benchmark.measurement import NEW_TOKENS, draw_prompt
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.pruning.base.generators import mapped
from worker.pruning.planning.memory_limits import require_whole_model


@dataclass(frozen=True)
class JobBenchmark:
    """The benchmark of a job, checked.

    Attributes:
        job: the job.
        runtime: the program that runs both models.
        prompt: the token ids of the prompt.
    """

    job: OpenedJob
    runtime: TransformersRuntime
    prompt: list[int]

    def progress(
        self, out: Path, start: float, end: float
    ) -> Generator[JobProgress, None, Comparison]:
        """Measure both models in turns.

        Args:
            out: the folder of the pruned model, with its configuration.
            start, end: the shares of the whole job that are done before and after.

        Yields:
            Progress after each measurement, where the job may be interrupted.
        """

        def progress_of(done: float) -> list[JobProgress]:
            return [JobProgress(Phase.evaluating, start + (end - start) * done)]

        measured = compare(self.runtime, self.job.model.path, out, self.prompt)
        return (yield from mapped(measured, progress_of))


def job_benchmark(job: OpenedJob) -> JobBenchmark | None:
    """Check a job's benchmark; None for a job without one.

    Raises:
        SpecRefusedError: the model's context is too short for the new tokens.
        UnsupportedModelError: transformers would attach an adapter to the model.
        InsufficientMemoryError: the whole model does not fit into memory.
    """
    if not job.spec.benchmark:
        return None
    runtime = TransformersRuntime(job.devices[0], job.meta_model.dtype)
    if not (prompt := draw_prompt([runtime.limits(job.model.path)])):
        reason = f"the model's context leaves no room for {NEW_TOKENS} new tokens"
        raise SpecRefusedError("benchmark", True, UNFIT, reason, "Leave benchmark out.")
    budget = job.budget_of_a_process
    require_whole_model(job.meta_model, budget, "benchmark to false", "a benchmark")
    return JobBenchmark(job, runtime, prompt)
