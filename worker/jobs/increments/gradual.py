"""Gradual pruning: a job's model is pruned in increments, each of which continues the last one."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.core.states import Phase
from worker import recovery
from worker.evaluation.perplexity import token_loss
from worker.jobs.dense_loss_cache import CachedDenseLosses
from worker.jobs.increments.increment_log import FinishedIncrement, IncrementLog
from worker.jobs.increments.parts import job_of
from worker.jobs.increments.pruned_model import PrunedModel
from worker.jobs.increments.pruning import EarlierIncrement, prune_model
from worker.jobs.increments.step_metrics import (
    gradual_metrics,
    step_result,
    stopped_warning,
    violated_bounds,
)
from worker.jobs.job_report import block_json
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.recipes import last_increment
from worker.jobs.recovery import require_space
from worker.pruning.base.durable_files import fsync
from worker.pruning.base.generators import mapped
from worker.pruning.base.increments import Increment
from worker.pruning.base.names import STEPS_FOLDER
from worker.pruning.sweep.fingerprint import code_digest, fingerprint, ids_digest, plain_values


class GradualPruning:
    """The increments of a job.

    Each has a hidden folder for its model. At most two of these folders exist at a time: that of
    the last good model, and that of the increment that is made. In the end, the files of the last
    good model are moved out of its folder.

    Args:
        out: an existing folder for the model, empty or with the files of an earlier run.
        cached: the dense model's losses, which are stored once they are measured.

    Raises:
        OSError: the disk has too little space (``ENOSPC``).
    """

    def __init__(self, job: OpenedJob, out: Path, cached: CachedDenseLosses) -> None:
        self._job, self._out, self._cached = job, out, cached
        self._total = last_increment(job.spec).total
        self._log = IncrementLog(out, out / STEPS_FOLDER, self._fingerprint())
        if not self._is_over:
            # The last good model, the one that is made and, before a recovery, the pruned one.
            models = 3 if job.recovery else 2
            require_space(out, models * job.meta_model.checkpoint.stored_bytes)

    @property
    def _is_over(self) -> bool:
        return len(self._log.finished) == self._total or self._log.is_stopped

    def run(self, start: float, end: float) -> Generator[JobProgress, None, PrunedModel]:
        """Make the increments that are left, until the gate stops the job.

        Args:
            start, end: the shares of the whole job that are done before and after.

        Yields:
            The progress of each increment, and its measurements at its end.

        Returns:
            The last good model, with the metrics of all increments.

        Raises:
            PruningError: the model or the available memory does not allow an increment, or a
                result is not finite.
        """
        share = (end - start) / self._total
        while not self._is_over:
            number = len(self._log.finished) + 1
            begun, done = start + share * (number - 1), start + share * number
            model = yield from self._increment(Increment(number, self._total), begun, done)
            failures = violated_bounds(self._job.resources.gate, model.metrics)
            finished = FinishedIncrement(model, failures)
            self._log.record(finished)
            step = (number, self._total)
            result = step_result(finished)
            yield JobProgress(Phase.evaluating, done, step=step, step_result=result)
        yield from self._kept_blocks(end)
        return self._published()

    def _increment(
        self, increment: Increment, start: float, end: float
    ) -> Generator[JobProgress, None, PrunedModel]:
        """Make one increment; its model is in a folder of its own."""
        earlier = None
        if increment.continues:
            before = self._log.kept
            source = self._log.folder_of(before.number)
            earlier = EarlierIncrement(source, before.model.dense_losses)
        folder = self._log.folder_of(increment.number)
        folder.mkdir(exist_ok=True)
        job = job_of(self._job, increment)
        steps = prune_model(job, folder, self._cached, start, end, earlier)
        number = (increment.number, increment.total)

        def numbered(progress: JobProgress) -> Iterator[JobProgress]:
            yield replace(progress, step=number)

        return (yield from mapped(steps, numbered))

    def _kept_blocks(self, fraction: float) -> Iterator[JobProgress]:
        """Yield the blocks of the kept model, if later ones were reported since."""
        kept = self._log.kept
        if kept is self._log.finished[-1]:
            return
        for block in kept.model.blocks:
            position = (block.index, block.total, block.name)
            step = (kept.number, self._total)
            yield JobProgress(Phase.evaluating, fraction, position, block_json(block), step=step)

    def _published(self) -> PrunedModel:
        """Move the files of the kept model into the output folder; return what is known of it."""
        finished, kept = self._log.finished, self._log.kept
        folder = self._log.folder_of(kept.number)
        for path in sorted(folder.glob("*")):  # those that an earlier run has not moved
            if path.is_file():
                path.replace(self._out / path.name)
        fsync(self._out)
        metrics, warnings = gradual_metrics(finished, kept), stopped_warning(finished, kept)
        return replace(kept.model, metrics=metrics, warnings=(*kept.model.warnings, *warnings))

    def _fingerprint(self) -> dict[str, Any]:
        """Return what the models of all increments depend on, ready for JSON."""
        job, windows = self._job, self._job.windows.recovery
        ids = (job.windows.calibration_ids, job.windows.evaluation.ids)
        parts = fingerprint(job.meta_model, job.recipe, *ids, token_loss)
        parts |= {"steps": self._total, "seed": job.spec.seed}
        if windows is None:
            return parts
        drawn = {"training": windows.training.ids, "held_out": windows.held_out.ids}
        return parts | {
            "recovery": plain_values(job.recovery),
            "recovery_windows": {name: ids_digest(token_ids) for name, token_ids in drawn.items()},
            "recovery_code": code_digest(Path(recovery.__path__[0])),
        }
