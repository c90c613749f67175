"""The recovery of a job's pruned model: planned before the sweep, run after it."""

import errno
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from db.core.states import Phase
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, stops_at
from worker.jobs.recovery_task import RecoveryTask
from worker.jobs.result.smaller import smaller_model, write_smaller_config
from worker.jobs.result.weights import WeightMeasure
from worker.jobs.windows import RecoveryTexts
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import PROGRESS_FOLDER, PRUNED_FOLDER, SMALLER_FOLDER
from worker.pruning.distributed.launcher import launch
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_limits import headroom
from worker.pruning.sweep.results import BlockResult
from worker.recovery.planning.plan import RecoveryPlan, plan_recovery
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.settings import Recovery
from worker.recovery.shapes import recovery_shape, recovery_work

REPORTED_STEPS = 200
"""Maximum number of reported steps per stage, not counting steps that measure held-out loss."""
_STAGES = {"teacher": (0.0, 0.2), "training": (0.2, 1.0)}
"""The shares of a recovery that are done before and after each stage."""


@dataclass(frozen=True)
class JobRecovery:
    """A recovery for which there is enough memory and disk space.

    Attributes:
        settings: how the model is trained.
        windows: the windows for training, and the held-out ones.
        out: the folder of the result; the sweep writes into a folder inside it.
        plan: how the recovery runs, and its predicted memory, disk space and time.
    """

    job: OpenedJob
    settings: Recovery
    windows: RecoveryTexts
    out: Path
    plan: RecoveryPlan

    @property
    def pruned(self) -> Path:
        """The folder of the pruned model."""
        return self.out / PRUNED_FOLDER

    def run(
        self, blocks: Sequence[BlockResult], start: float, end: float
    ) -> Generator[JobProgress, None, RecoveryResult]:
        """Train the pruned model, and write the recovered model into ``out``.

        If units were removed, what is left is cut out, trained, and put back among the zeros.

        Args:
            blocks: the results of the sweep.
            start, end: the shares of the whole job that are done before and after the recovery.

        Yields:
            The progress at each point where the work may stop; only some of these points report
            a step with its losses.

        Raises:
            PruningError: the model or the available memory does not allow the recovery, or a
                result is not finite.
        """
        job = self.job
        if not job.recipe.is_cut:
            config = self.pruned if write_smaller_config(job, self.pruned) else job.model.path
            return (yield from self._trained(config, self.pruned, self.out, start, end))
        cut, recovered = (folder / SMALLER_FOLDER for folder in (self.pruned, self.out))
        for folder in (cut, recovered):
            folder.mkdir(exist_ok=True)
        model = smaller_model(job, self.pruned, blocks)
        written = model.write(cut, self.pruned / PROGRESS_FOLDER)
        yield from stops_at(start, Phase.recovering, written)
        result = yield from self._trained(cut, cut, recovered, start, end)
        trained = MetaModel.open(cut, job.meta_model.dtype, job.meta_model.device, recovered)
        restored = model.restore(trained, self.out, recovered / PROGRESS_FOLDER)
        shards = yield from stops_at(end, Phase.recovering, restored)
        return replace(result, shards=tuple(shards))

    def _trained(
        self, config: Path, pruned: Path, out: Path, start: float, end: float
    ) -> Generator[JobProgress, None, RecoveryResult]:
        """Train a model, given the folders of its config and of its weights, into ``out``."""
        steps, resumed = self._start(config, pruned, out)
        yield JobProgress(Phase.recovering, start, resumed_from_step=resumed)
        fraction = start
        previous: RecoveryProgress | None = None

        def progress_of(step: RecoveryProgress) -> Iterator[JobProgress]:
            nonlocal fraction, previous
            if step.stage in _STAGES:
                before, after = _STAGES[step.stage]
                done = before + (after - before) * step.step / step.steps
                fraction = start + (end - start) * done
            details = asdict(step) if _is_reported(step, previous) else None
            yield JobProgress(Phase.recovering, fraction, recovery=details)
            previous = step

        return (yield from mapped(steps, progress_of))

    def _start(
        self, config: Path, pruned: Path, out: Path
    ) -> tuple[Generator[RecoveryProgress, None, RecoveryResult], int | None]:
        """Return a generator that runs the recovery, and the step it resumes from, if known."""
        job, windows = self.job, self.windows
        task = RecoveryTask(
            dense=job.model.path,
            config=config,
            pruned=pruned,
            dtype=job.meta_model.dtype,
            settings=self.settings,
            pattern=job.recipe.pattern if job.recipe.prunes else None,
            training=windows.training.ids,
            held_out=windows.held_out.ids,
            evaluation=job.windows.evaluation.ids,
            out=out,
            seed=job.spec.seed,
            memory_budget_bytes=job.budget_of_a_process,
            speed=job.speed,
            measure=None if job.is_rewritten else WeightMeasure.of(job),
            sources=windows.sources,
            known=job.resources.baselines,
        )
        if len(job.devices) > 1:  # only the processes know the step they resume from
            return launch(task.run, job.devices), None
        engine = task.open(SINGLE_PROCESS, job.devices[0])
        return engine.run(), engine.resumed_from_step


def planned_recovery(job: OpenedJob, out: Path) -> JobRecovery | None:
    """Plan the recovery of a job; return None if the job has none.

    Args:
        out: the folder of the result, empty or with the files of an earlier run.

    Raises:
        InsufficientMemoryError: the recovery does not fit into memory. The message proposes a kind
            of recovery that fits, or else a refinement.
        OSError: the disk has too little space (``ENOSPC``).
    """
    settings, windows = job.recovery, job.windows.recovery
    if settings is None or windows is None:
        return None
    work = recovery_work(
        job.meta_model,
        training=windows.training.ids,
        held_out=windows.held_out.ids,
        evaluation=job.windows.evaluation.ids,
        ranks=len(job.devices),
    )
    work = replace(work, device=job.devices[0].type)
    shape = recovery_shape(job.meta_model, job.recipe)
    free = headroom(job.devices[0], job.budget_of_a_process)
    plan = plan_recovery(shape, settings, work, free, job.speed)
    require_space(out, 2 * shape.stored_bytes + plan.scratch_bytes)
    return JobRecovery(job, settings, windows, out, plan)


def sweep_share(sweep_seconds: float | None, recovery_seconds: float | None) -> float:
    """Return the sweep's share of the planned time; 0.5 if either time is unknown."""
    if sweep_seconds is None or recovery_seconds is None:
        return 0.5
    return sweep_seconds / (sweep_seconds + recovery_seconds)


def _is_reported(step: RecoveryProgress, previous: RecoveryProgress | None) -> bool:
    """Whether a step's details are reported; not all are, as a job may have thousands of steps."""
    if previous is None or previous.stage != step.stage or step.held_out_loss is not None:
        return True
    last, now = (REPORTED_STEPS * progress.step // step.steps for progress in (previous, step))
    return now > last


def require_space(out: Path, needed_bytes: int) -> None:
    """Check that the files in a folder may grow to this size, at any depth.

    Raises:
        OSError: the disk has too little space (``ENOSPC``).
    """
    present = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    free = shutil.disk_usage(out).free
    if needed_bytes - present > free:
        text = (
            f"the job needs {needed_bytes - present:,} bytes more on the disk of its results, and "
            f"{free:,} are free"
        )
        raise OSError(errno.ENOSPC, text, os.fspath(out))
