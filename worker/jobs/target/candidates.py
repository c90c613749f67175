"""The methods that a job compares: each prunes the model, and the best result is kept."""

import logging
import math
import shutil
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from db.core.states import Phase
from worker.evaluation.perplexity import perplexity, token_loss
from worker.jobs.dense_loss_cache import CachedDenseLosses
from worker.jobs.increments.pruned_model import PrunedModel
from worker.jobs.increments.pruning import measured_weights
from worker.jobs.job_report import origin
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.recovery import planned_recovery, require_space
from worker.jobs.result.smaller import whole_folder
from worker.jobs.sweep import start_sweep
from worker.jobs.target.result_size import ResultSize
from worker.pruning.base.durable_files import fsync
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import CANDIDATES_FOLDER
from worker.pruning.sweep.fingerprint import fingerprint, plain_values
from worker.pruning.sweep.progress import is_same_run
from worker.pruning.sweep.results import BlockResult
from worker.pruning.sweep.resume_log import ResumeLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A method that has pruned the model to the size that the job aims at, ready for JSON.

    Attributes:
        chosen: the field that says how much it removes, with its value.
        size: what the target limits, of its result.
        loss: the mean loss per token of its result on the evaluation text, in nats.
        seconds: how long it took.
        planned_s: how long it was planned to take; None if that is not known.
        dense_loss_known: whether the dense model's loss was known before it.
    """

    method: str
    chosen: Mapping[str, Any]
    size: int
    loss: float
    seconds: float
    planned_s: float | None
    dense_loss_known: bool


class Comparison:
    """The sweeps of a job with each of the methods that it compares.

    Each writes into a folder of its own. At most two of these exist at a time: that of the best
    method so far, and that of the one that is at work. In the end, the files of the best one are
    moved to where the job's own sweep finds them complete.

    Args:
        out: the folder of the result, empty or with the files of an earlier run.
        cached: the dense model's losses, which are stored once they are measured.

    Raises:
        InsufficientMemoryError: the recovery of the job does not fit into memory.
        OSError: the disk has too little space (``ENOSPC``).
    """

    def __init__(self, job: OpenedJob, out: Path, cached: CachedDenseLosses) -> None:
        self._jobs, self._out, self._cached = job.candidates, out, cached
        self._folder = out / CANDIDATES_FOLDER
        self._log = ResumeLog(self._folder / "candidates.jsonl")
        self._finished = self._read()
        planned_recovery(job, out)
        require_space(out, 2 * job.meta_model.checkpoint.stored_bytes)

    def run(self, start: float, end: float) -> Generator[JobProgress, None, OpenedJob]:
        """Prune by each method, and return the job with the best one.

        Args:
            start, end: the shares of the whole job that are done before and after.

        Raises:
            PruningError: the model or the available memory does not allow a method, or a loss is
                not finite.
        """
        share = (end - start) / len(self._jobs)
        while (number := len(self._finished)) < len(self._jobs):
            begun = start + share * number
            candidate = yield from self._pruned(self._jobs[number], begun, begun + share)
            logger.info("candidate %s: loss %.4f", candidate.method, candidate.loss)
            self._log.append(asdict(candidate))
            self._finished.append(candidate)
            for folder in self._folder.glob("*/"):
                if folder.name != self._best.method:
                    shutil.rmtree(folder)
        best = next(job for job in self._jobs if job.spec.method == self._best.method)
        self._publish(best)
        return replace(best, others=(), compared=self._compared())

    def as_kept(
        self, steps: Generator[JobProgress, None, PrunedModel]
    ) -> Generator[JobProgress, None, PrunedModel]:
        """Run the sweep that finds the files of the best method, and report what was done.

        That it found them does not mean that an earlier run of the job has made them.
        """

        def anew(progress: JobProgress) -> Iterator[JobProgress]:
            yield replace(progress, resumed_from_block=None)

        model = yield from mapped(steps, anew)
        known = self._finished[0].dense_loss_known
        planned = [own.planned_s for own in self._finished if own is not self._best]
        predicted = (model.metrics["predicted_seconds"], *planned)
        metrics = {
            "dense_loss_known": known,
            "predicted_seconds": None if None in predicted else sum(filter(None, predicted)),
        }
        computed = {"computed": model.report["computed"] | {"dense_loss": origin(known)}}
        report = model.report | computed | {"resumed_from_block": None}
        return replace(model, metrics=model.metrics | metrics, report=report)

    @property
    def _best(self) -> Candidate:
        """The candidate of the lowest loss so far, of equal ones the first."""
        return min(self._finished, key=lambda candidate: candidate.loss)

    def _pruned(
        self, job: OpenedJob, start: float, end: float
    ) -> Generator[JobProgress, None, Candidate]:
        """Prune the model by one method."""
        method, target = job.spec.method.value, job.spec.target
        if target is None:
            raise ValueError("the methods have no size in common")
        folder = self._folder / method
        folder.mkdir(exist_ok=True)
        blocks: list[BlockResult] = []
        sweep = start_sweep(job, folder, self._cached.read(), None, measured_weights(job))

        def placed(progress: JobProgress) -> Iterator[JobProgress]:
            yield JobProgress(Phase.calibrating, progress.fraction)  # the blocks are not the job's

        result = yield from mapped(sweep.run(blocks, start, end), placed)
        if not result.dense_loss_known:
            self._cached.write(result.dense_losses)
        loss = result.pruned_loss
        if loss is None or not math.isfinite(loss):
            raise NotFiniteError(f"the mean loss of the model that method {method} has pruned")
        return Candidate(
            method,
            job.chosen,
            ResultSize(job.meta_model, job.recipe).of(target),
            loss,
            result.prune_seconds + result.evaluate_seconds,
            result.plan.seconds,
            result.dense_loss_known,
        )

    def _read(self) -> list[Candidate]:
        """Return the candidates of an earlier run; each sweep finds its own files."""
        records = self._log.read()
        first = self._jobs[0]
        ids = (first.windows.calibration_ids, first.windows.evaluation.ids)
        given = fingerprint(first.meta_model, first.recipe, *ids, token_loss)
        given |= {"candidates": [plain_values(job.recipe) for job in self._jobs]}
        usable = records[1:] if is_same_run(records, given) else []
        self._log.rewrite([{"fingerprint": given}, *usable])
        return [Candidate(**record) for record in usable]

    def _publish(self, job: OpenedJob) -> None:
        """Move the files of the best method to where the sweep of the job looks for them."""
        source, whole = self._folder / job.spec.method.value, whole_folder(job, self._out)
        whole.mkdir(exist_ok=True)
        recovery = planned_recovery(job, whole)
        folder = recovery.pruned if recovery else whole
        folder.mkdir(exist_ok=True)
        if not source.exists():  # an earlier run has moved them
            return
        for path in source.iterdir():
            if (place := folder / path.name).is_dir():  # of a run whose files cannot be used
                shutil.rmtree(place)
            path.replace(place)
        fsync(folder)
        source.rmdir()

    def _compared(self) -> dict[str, Any]:
        """Return what was measured of each method, as metrics."""
        return {
            own.method: {
                **own.chosen,
                "size": own.size,
                "perplexity": perplexity(own.loss),
                "seconds": own.seconds,
                "kept": int(own is self._best),
            }
            for own in self._finished
        }
