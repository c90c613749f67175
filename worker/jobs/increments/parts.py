"""The part of a job's work that one increment does."""

from dataclasses import replace

from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import recipe_at
from worker.jobs.windows import RecoveryTexts
from worker.pruning.base.increments import AT_ONCE, Increment
from worker.recovery.settings import Recovery, window_count
from worker.recovery.windows import with_each_source
from worker.sources.calibration import held_out_count


def job_of(job: OpenedJob, increment: Increment) -> OpenedJob:
    """Return the job whose recipe and recovery are those of one increment.

    All increments together have the optimizer steps of the refinement, and the training tokens of
    the recovery, that the whole job has.
    """
    recipe = recipe_at(job.recipe, increment)
    if job.recovery is None or job.windows.recovery is None:
        return replace(job, recipe=recipe)
    whole, devices = job.windows.recovery, len(job.devices)
    recovery = recovery_at(job.recovery, whole.training.ids.shape[1], increment)
    windows = _windows(job.recovery, whole, increment, devices)
    return replace(
        job, recipe=recipe, recovery=recovery, windows=replace(job.windows, recovery=windows)
    )


def recovery_at(recovery: Recovery, seq_len: int, increment: Increment) -> Recovery:
    """Return the recovery of one increment, given the number of tokens in each window."""
    if increment == AT_ONCE:
        return recovery
    windows = window_count(recovery, seq_len)
    own = increment.reached(windows) - increment.reached_before(windows)
    return replace(recovery, tokens=own * seq_len)


def _windows(
    recovery: Recovery, whole: RecoveryTexts, increment: Increment, devices: int
) -> RecoveryTexts:
    """Return the windows of one increment, which follow those of the increment before.

    After the last window, the first one follows again. The held-out windows are the same in all
    increments, so that none is trained on them, and at least one is of each text.
    """
    ids = whole.training.ids
    count = window_count(recovery, ids.shape[1])
    own = range(increment.reached_before(count), increment.reached(count))
    places = sorted({place % len(ids) for place in own})
    fewest = max(held_out_count(len(own)), len({*whole.sources}))
    kept = with_each_source(whole.sources, -(-fewest // devices) * devices)
    return RecoveryTexts(
        replace(whole.training, ids=ids[places]),
        replace(whole.held_out, ids=whole.held_out.ids[kept]),
        tuple(whole.sources[place] for place in kept),
    )
