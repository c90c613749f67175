"""The zero-shot tasks of a job, measured on the dense and on the pruned model."""

import logging
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from db.core.states import Phase
from worker import evaluation
from worker.evaluation.continuations import Continuation, Likelihood, likelihoods
from worker.evaluation.perplexity import token_loss
from worker.evaluation.task_results import TaskComparison, TaskResult
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.jobs.stages.tasks.measured import MeasuredTasks
from worker.jobs.windows import position_limit
from worker.pruning.base.generators import mapped
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import code_digest, model_parts
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache

if TYPE_CHECKING:
    from worker.evaluation.harness import HarnessTask

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ZeroShotTasks(Stage):
    """The tasks of a job, loaded and ready to be scored.

    Attributes:
        tasks: the tasks, by name.
        asked: the continuations of each task.
        groups: the names of the tasks, by the name that the job gives: a task's, a group's or a
            suite's.
        tokenizer: the model's tokenizer.
    """

    part = "tasks"
    share = 0.25
    job: OpenedJob
    tasks: "dict[str, HarnessTask]"
    asked: dict[str, list[Continuation]]
    groups: dict[str, list[str]]
    tokenizer: Any

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Measure both models on each task; yield progress after each block of each model.

        Tasks that were measured before on the same weights are not measured again.
        """
        job, device = self.job, self.job.devices[0]
        dtype, scratch = job.meta_model.dtype, model.scores
        dense = MetaModel.open(job.model.path, dtype, device)
        models = (
            _Model(dense, job.resources.baselines, {}),
            _Model(model.open(dtype, device), scratch, {"weights": model.digests}),
        )
        share, comparisons = (end - start) / max(1, len(self.tasks)), {}
        for number, (name, task) in enumerate(self.tasks.items()):
            before = start + share * number
            comparisons[name] = yield from self._compare(task, models, scratch, before, share)
        measured = MeasuredTasks(comparisons, self.groups)
        return Measured(measured.metrics(), measured.report())

    def _compare(
        self,
        task: "HarnessTask",
        models: "tuple[_Model, _Model]",
        scratch: Path,
        start: float,
        share: float,
    ) -> Generator[JobProgress, None, TaskComparison]:
        limit, asked = position_limit(self.job.meta_model), self.asked[task.name]
        results: list[TaskResult] = []
        for model in models:
            blocks, before = len(model.meta_model.blocks), start + share * len(results) / 2

            def progress_of(
                block: int, blocks: int = blocks, before: float = before
            ) -> list[JobProgress]:
                return [JobProgress(Phase.evaluating, before + share / 2 * (block + 1) / blocks)]

            scores = yield from mapped(model.scores(asked, limit, scratch), progress_of)
            results.append(task.result(self.tokenizer, limit, scores))
        comparison = TaskComparison(*results)
        _log(comparison)
        return comparison


@dataclass(frozen=True)
class _Model:
    """The dense or the pruned model.

    Attributes:
        folder: the folder of its known scores; None if they are not kept.
        identity: parts that identify it in place of those of `model_parts`.
    """

    meta_model: MetaModel
    folder: Path | None
    identity: dict[str, Any]

    def scores(
        self, asked: Sequence[Continuation], limit: int, scratch: Path
    ) -> Generator[int, None, list[Likelihood]]:
        """Score the continuations, or read their scores; yield the index of each block run."""
        cache, device = MeasurementCache(self.folder, SINGLE_PROCESS), self.meta_model.device
        basis = model_parts(self.meta_model, token_loss, device) | self.identity
        basis |= {
            "continuations": sha256(repr(asked).encode()).hexdigest(),
            "positions": limit,
            "scoring": code_digest(Path(evaluation.__path__[0])),
        }
        if (known := cache.read(basis)) is not None:
            return [Likelihood(**fields) for fields in known]
        scratch.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix="activations-", dir=scratch) as spill:
            scores = yield from likelihoods(self.meta_model, asked, limit, Path(spill))
        cache.write(basis, [asdict(score) for score in scores])
        return scores


def _log(comparison: TaskComparison) -> None:
    def text(result: TaskResult) -> str:
        return ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())

    logger.info(
        "task %s: dense %s; pruned %s",
        comparison.dense.task,
        text(comparison.dense),
        text(comparison.pruned),
    )
