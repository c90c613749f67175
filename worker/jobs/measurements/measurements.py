"""The measurements of a job's two models after the sweep, in their order."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from worker.benchmark.comparison import Comparison
from worker.jobs.generation import JobGeneration, job_generation
from worker.jobs.measurements.benchmark import JobBenchmark, job_benchmark
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.ranking.ranking import JobRanking, job_ranking
from worker.jobs.ranking.results import MeasuredRanking
from worker.jobs.tasks.loading import job_tasks
from worker.jobs.tasks.measured import MeasuredTasks
from worker.jobs.tasks.zero_shot import ZeroShotTasks
from worker.pruning.model.shards import Shard

# The shares of a job's work that are done after tasks and ranked answers, after the texts, and
# after the benchmark.
DONE, GENERATED, PACKAGED = 0.95, 0.97, 0.99
_TASKS, _RANKING = 0.25, 0.2
"""The shares that tasks, and the drawing and ranking of answers, are taken to be."""


@dataclass(frozen=True)
class JobMeasurements:
    """The measurements that a job asks for, checked; None for those that it does not."""

    tasks: ZeroShotTasks | None
    ranking: JobRanking | None
    generation: JobGeneration | None
    benchmark: JobBenchmark | None

    @classmethod
    def open(cls, job: OpenedJob) -> Self:
        """Load what the measurements need, and check that they are possible.

        Raises:
            SpecRefusedError: a measurement cannot be made with this model.
            InsufficientMemoryError: the whole model does not fit into memory, and must.
            UnsupportedModelError: transformers would attach an adapter to the model.
        """
        return cls(job_tasks(job), job_ranking(job), job_generation(job), job_benchmark(job))

    @property
    def start(self) -> float:
        """The share of the job's work that is done before the first of them."""
        return self._ranked_from - (_TASKS if self.tasks else 0)

    @property
    def _ranked_from(self) -> float:
        return DONE - (_RANKING if self.ranking else 0)

    def measured_tasks(
        self, pruned: Path, shards: Sequence[Shard]
    ) -> Generator[JobProgress, None, MeasuredTasks | None]:
        """Measure both models on the tasks, with the pruned weights in a folder."""
        if self.tasks is None:
            return None
        steps = self.tasks.progress(pruned, shards, self.start, self._ranked_from)
        return (yield from steps)

    def measured_ranking(
        self, pruned: Path, shards: Sequence[Shard]
    ) -> Generator[JobProgress, None, MeasuredRanking | None]:
        """Draw and rank answers of both models, with the pruned weights in a folder."""
        if self.ranking is None:
            return None
        return (yield from self.ranking.progress(pruned, shards, self._ranked_from, DONE))

    def texts(self, pruned: Path) -> Generator[JobProgress, None, list[dict[str, Any]] | None]:
        """Have both models continue the prompts, with the pruned weights in a folder."""
        if self.generation is None:
            return None
        return (yield from self.generation.progress(pruned, DONE, GENERATED))

    def speed(self, out: Path) -> Generator[JobProgress, None, Comparison | None]:
        """Measure the speed of both models, given the folder of the result as it is used."""
        if self.benchmark is None:
            return None
        return (yield from self.benchmark.progress(out, GENERATED, PACKAGED))
