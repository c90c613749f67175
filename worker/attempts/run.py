"""The glue: one job, from claim to verdict."""

import logging
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from db.core.errors import LeaseLostError
from db.core.logging_setup import about
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.files.artifact_store import ArtifactStore
from db.problems.service import DISK_FULL
from db.spec.prune_spec import PruneSpec
from db.startup.lease_holders import holding
from db.startup.tracing import attempt_span, flush
from worker.attempts.attempt import Attempt
from worker.attempts.lease_watchdog import Reason, Stopped, Watch, reason_of
from worker.attempts.logbook import LogBook
from worker.attempts.progress_log import tell
from worker.jobs.pace import Pace
from worker.jobs.problems import TRANSIENT_CODES, problem_of, time_limit_problem
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)
GAVE_UP = 75  # EX_TEMPFAIL: the process ended itself because its work would not


class Step(Protocol):
    """How far the work is."""

    @property
    def phase(self) -> str:
        """The name of a ``Phase``."""

    @property
    def fraction(self) -> float:
        """Share of all the work that is done."""

    @property
    def block(self) -> tuple[int, int, str] | None:
        """Index, total and name of the block just finished."""

    @property
    def report(self) -> dict[str, Any] | None:
        """What was measured on that block."""

    @property
    def resumed_from_block(self) -> int | None:
        """How many blocks an earlier attempt did; said once, by an attempt that goes on."""


class Outcome(Protocol):
    """What the finished work measured."""

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures by name."""


class Prune(Protocol):
    """The work itself."""

    def __call__(
        self, spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[Step, None, Outcome]:
        """Write into ``out``, yield each step, return the outcome."""


def leave() -> None:
    """End this process from whichever thread calls."""
    flush()
    logging.shutdown()
    os._exit(GAVE_UP)


class Runner:
    """Runs jobs on one worker.

    Without ``queues`` it runs the job that it is told to; with some, the most urgent one of these.
    ``stopping`` makes it give its job back.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        prune: Prune,
        settings: WorkerSettings,
        *,
        worker: str,
        queues: Sequence[str] = (),
        stopping: threading.Event | None = None,
        leave: Callable[[], None] = leave,
    ) -> None:
        self._sessions, self._store, self._prune = sessions, store, prune
        self._settings, self._worker, self._leave = settings, worker, leave
        self._queues, self._stopping = queues, stopping or threading.Event()

    def run(self, job_id: str) -> None:
        """Claim the job, prune, record what came of it.

        A job that another worker holds, or that is over, is left alone, so a message delivered
        twice does no harm.
        """
        with holding(self._settings.data_dir):
            self._run(job_id)

    def _run(self, job_id: str) -> None:
        attempt = Attempt.claim(
            self._sessions,
            job_id,
            self._worker,
            self._settings.lease,
            worker_id=self._settings.worker_id,
            queues=self._queues,
        )
        if attempt is None:
            log.info("job %s is not for this worker", job_id)
            return
        with (
            about(job_id=attempt.job_id, attempt=attempt.number),
            LogBook(self._sessions, attempt.job_id, attempt.number),
            attempt_span(attempt.job_id, attempt.number, attempt.asked_by) as span,
        ):
            self._attempt(attempt)
            span.set_attribute("zpruner.status", attempt.outcome() or "lost")

    def _attempt(self, attempt: Attempt) -> None:
        log.info("attempt %d begins on %s", attempt.number, self._worker)
        try:
            self._work(attempt)
        except Stopped as stopped:
            self._settle(attempt, stopped.reason)
        except LeaseLostError:
            self._settle(attempt, Reason.lost)
        except Exception as error:
            log.exception("job %s failed in attempt %d", attempt.job_id, attempt.number)
            self._fail(attempt, error)

    def _work(self, attempt: Attempt) -> None:
        staged = self._store.stage(attempt.job_id, attempt.number)
        with Watch(attempt, self._settings, self._stopping, self._cut(attempt)) as watch:
            metrics = self._drive(attempt, watch, staged)
            watch.check()
            artifacts = self._store.publish(staged, attempt.job_id)
            attempt.succeed(metrics, artifacts)
        log.info("attempt %d succeeded with %d files", attempt.number, len(artifacts))
        self._store.keep_only(attempt.job_id, attempt.number)

    def _drive(self, attempt: Attempt, watch: Watch, staged: Path) -> dict[str, Any]:
        """Pull the work along step by step and return its metrics."""
        previous: Phase | None = None
        pace = Pace()

        def record(step: Step) -> None:
            nonlocal previous
            phase = Phase(step.phase)
            tell(phase, step.block, step.report, previous)
            previous = phase
            eta = pace.after(step)
            status = attempt.record(phase, step.fraction, step.block, step.report, eta)
            if step.resumed_from_block is not None:
                attempt.resumed(step.resumed_from_block)
            if (reason := reason_of(status)) is not None:
                raise Stopped(reason)
            watch.check()

        resources = replace(self._settings.resources, digests=attempt.digests())
        with closing(self._prune(attempt.spec, staged, resources)) as steps:
            return run_to_end(steps, record).metrics

    def _settle(self, attempt: Attempt, reason: Reason) -> None:
        log.info("job %s stops in attempt %d: %s", attempt.job_id, attempt.number, reason)
        if reason is Reason.overdue:
            with suppress(LeaseLostError):
                attempt.fail(time_limit_problem(self._settings.job_timeout_s))
        else:
            attempt.let_go()
        self._clear(attempt)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        problem = problem_of(error, attempt.spec)
        end = attempt.postpone if problem.code in TRANSIENT_CODES else attempt.fail
        with suppress(LeaseLostError):
            end(problem)
        self._clear(attempt)
        if attempt.outcome() is JobState.queued:  # for a while: nobody takes it over now
            self._store.discard_unusable(attempt.job_id, attempt.number)
        elif problem.code == DISK_FULL.code:  # what is staged is what fills it
            self._store.discard(attempt.job_id, attempt.number)

    def _clear(self, attempt: Attempt) -> None:
        """Delete the attempt's files, unless it succeeded while someone wanted it to end.

        Finished blocks stay staged: the next attempt, or a retry, goes on from there. Where the
        job has not ended, that one may have taken them over already.
        """
        state = attempt.outcome()
        if state is None or not state.is_final:
            self._store.retract(attempt.job_id, attempt.number)
        elif state is not JobState.succeeded:
            self._store.discard_unusable(attempt.job_id, attempt.number)

    def _cut(self, attempt: Attempt) -> Callable[[Reason], None]:
        """Return what ends work that did not stop in time: settle for it, and leave."""

        def cut(reason: Reason) -> None:
            try:
                self._settle(attempt, reason)
            finally:
                self._leave()

        return cut
