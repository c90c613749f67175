"""Recording the progress of an attempt in its job, its log and its trace."""

import logging
from typing import Any

from opentelemetry.trace import get_current_span

from db.core.states import Phase
from db.spec.prune_spec import untimed
from worker.attempts.attempt import Attempt
from worker.attempts.lease_watchdog import AttemptStopped, LeaseWatchdog, stop_reason_for
from worker.attempts.staging_saver import StagingSaver
from worker.jobs.eta import EtaEstimator
from worker.jobs.progress import JobProgress

logger = logging.getLogger("worker.attempts.run")
METRICS = (
    ("sparsity", "sparsity", ".4f"),
    ("output_error", "output error", ".3g"),
    ("prune_seconds", "seconds", ".3g"),
)
STEP = (
    ("sparsity", "sparsity", ".4f"),
    ("parameters", "parameters", ",d"),
    ("pruned_perplexity", "perplexity", ".4f"),
    ("seconds", "seconds", ".3g"),
)
LOSSES = (
    ("loss", "loss", ".4f"),
    ("held_out_loss", "held-out loss", ".4f"),
    ("tokens_per_second", "tokens per second", ",.0f"),
)


class ProgressRecord:
    """Records the progress of one attempt, and ends the attempt when it must not go on."""

    def __init__(self, attempt: Attempt, watchdog: LeaseWatchdog, saver: StagingSaver) -> None:
        self._attempt, self._watchdog, self._saver = attempt, watchdog, saver
        self._estimator = EtaEstimator(is_measured=bool(untimed(attempt.spec)))
        self._phase: Phase | None = None

    def add(self, progress: JobProgress) -> None:
        """Save the staged files if that is due, and record progress that is new.

        Raises:
            AttemptStopped: the attempt must end before its work is finished.
        """
        if not self._attempt.answers_trial:
            self._saver.save(progress)  # first: any machine can resume from a reported block
        is_new = progress.phase is not self._phase or progress.has_finished_work
        if is_new or self._estimator.is_due(progress):
            _log(progress, self._phase)
            self._phase = progress.phase
            status = self._attempt.record(progress, self._estimator.update(progress))
            if (reason := stop_reason_for(status)) is not None:
                raise AttemptStopped(reason)
            self._attempt.check_cost()
        self._watchdog.check()


def _log(progress: JobProgress, previous_phase: Phase | None) -> None:
    """Log each phase when it begins, and each block or step when it is finished."""
    if progress.phase is not previous_phase:
        logger.info("%s", progress.phase)
        get_current_span().add_event(progress.phase)
    if progress.block is not None:
        index, total, name = progress.block
        metrics = _texts(progress.report or {}, METRICS)
        logger.info("block %d of %d (%s)%s", index + 1, total, name, metrics)
    if (step := progress.recovery) is not None:
        metrics = _texts(step, LOSSES)
        logger.info("%s, step %d of %d%s", step["stage"], step["step"], step["steps"], metrics)
    if progress.step is not None and (result := progress.step_result) is not None:
        logger.info("pruning step %d of %d%s", *progress.step, _texts(result, STEP))
        for failure in result["gate_failures"]:
            logger.info("the gate stops the job: %s", failure)


def _texts(report: dict[str, Any], metrics: tuple[tuple[str, str, str], ...]) -> str:
    texts = [f"{label} {report[name]:{spec}}" for name, label, spec in metrics if report.get(name)]
    return ": " + ", ".join(texts) if texts else ""
