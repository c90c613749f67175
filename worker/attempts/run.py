"""The run of one job: claim it, prune, store the result."""

import logging
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from db.core.errors import LeaseLostError
from db.core.logging_setup import log_context
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.files.artifact_store import ArtifactStore
from db.files.fetched_uploads import fetch_uploads
from db.files.staging_copies import RESULT_FOLDER
from db.files.stores import open_uploads
from db.problems.service import DISK_FULL
from db.scheduling.recovery import RecoveryRepository
from db.spec.datasets.upload_store import UploadStore
from db.spec.prune_spec import PruneSpec
from db.startup.lease_holders import lease_holder
from db.startup.tracing import attempt_span, flush
from worker.attempts.attempt import Attempt
from worker.attempts.engine import answer
from worker.attempts.lease_watchdog import AttemptStopped, LeaseWatchdog, StopReason
from worker.attempts.log_handler import JobLogHandler
from worker.attempts.progress_record import ProgressRecord
from worker.attempts.staging_saver import StagingSaver, logged_bucket_errors
from worker.attempts.trial import open_trial
from worker.jobs.problems import TRANSIENT_CODES, problem_of, time_limit_problem
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.priority import ComputeThread
from worker.pruning.base.generators import run_to_end
from worker.settings import WorkerSettings
from worker.sources.result_models import PlacedResult, place_result
from worker.sources.search_starts import find_start

logger = logging.getLogger(__name__)
EX_TEMPFAIL = 75
STARTING = {Phase.resolving, Phase.loading}
"""The phases in which a job does not give way to other processes yet."""


class Prune(Protocol):
    """A function that does the work of a job."""

    def __call__(
        self, spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        """Write files into ``out``, yield progress, return the result."""


def exit_process() -> None:
    """End this process, from any thread."""
    flush()
    logging.shutdown()
    os._exit(EX_TEMPFAIL)


class Runner:
    """Runs jobs on one worker.

    Args:
        queues: the runner takes the most urgent job that waits in these queues, or else the job
            that is passed to `run`.
        uploads: the uploaded datasets; by default those of the settings.
        stopping: once it is set, the runner puts its job back into the queue.
        exit_process: ends this process if its work does not stop in time.
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
        uploads: UploadStore | None = None,
        stopping: threading.Event | None = None,
        exit_process: Callable[[], None] = exit_process,
    ) -> None:
        self._sessions, self._store, self._prune = sessions, store, prune
        self._settings, self._worker, self._exit_process = settings, worker, exit_process
        self._queues, self._stopping = queues, stopping or threading.Event()
        self._uploads = uploads or open_uploads(settings)

    def run(self, job_id: str) -> None:
        """Claim a job, prune its model or answer its trial, and record the result or the error.

        The job is the most urgent one in the queues, or else ``job_id``. A job that has ended, or
        that another worker holds, is left alone, so a message that is delivered twice does no harm.
        """
        with lease_holder(self._settings.data_dir):
            self._run(job_id)
            self._discard_leftovers()

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
            logger.info("job %s is not for this worker", job_id)
            return
        with (
            log_context(job_id=attempt.job_id, attempt=attempt.number),
            JobLogHandler(self._sessions, attempt.job_id, attempt.number) as lines,
            attempt_span(attempt.job_id, attempt.number, attempt.traceparent) as span,
        ):
            # A client that follows the log reads it for the last time once the job has ended.
            attempt.before_end = lines.flush
            self._run_attempt(attempt)
            if span.is_recording():
                span.set_attribute("zpruner.status", attempt.state_if_held() or "lost")

    def _run_attempt(self, attempt: Attempt) -> None:
        logger.info("attempt %d begins on %s", attempt.number, self._worker)
        try:
            self._work(attempt)
        except AttemptStopped as stopped:
            self._stop(attempt, stopped.reason)
        except LeaseLostError:
            self._stop(attempt, StopReason.lost)
        except Exception as error:  # whatever failed is the job's problem, and the worker goes on
            logger.exception("job %s failed in attempt %d", attempt.job_id, attempt.number)
            self._fail(attempt, error)

    def _work(self, attempt: Attempt) -> None:
        def force_end(reason: StopReason) -> None:
            try:
                self._stop(attempt, reason)
            finally:
                self._exit_process()

        with LeaseWatchdog(attempt, self._settings, self._stopping, force_end) as watchdog:
            staged = self._store.stage(attempt.job_id, attempt.number, watchdog.check)
            fetch_uploads(self._sessions, self._uploads, attempt.spec)
            folder = staged / RESULT_FOLDER
            place = partial(place_result, self._sessions, self._store, attempt.spec, folder)
            result = self._follow(attempt, watchdog, staged, place(watchdog.check))
            watchdog.check()
            publish = partial(self._store.publish, staged, attempt.job_id)
            artifacts = publish(result.digests, watchdog.check) if result.has_files else []
            logger.info("attempt %d succeeded with %d files", attempt.number, len(artifacts))
            attempt.succeed(result, artifacts)
        with logged_bucket_errors("files of other attempts are left"):
            self._store.keep_only(attempt.job_id, attempt.number)

    def _follow(
        self,
        attempt: Attempt,
        watchdog: LeaseWatchdog,
        staged: Path,
        started_from: PlacedResult | None,
    ) -> JobResult:
        """Run the work, record its progress, and return its result.

        Args:
            staged: its staging folder.
            started_from: the model, if it is the result of another job.

        Raises:
            AttemptStopped: the attempt must end before its work is finished.
        """
        saver = StagingSaver(self._store, staged, attempt.job_id, watchdog.check_continues)
        record = ProgressRecord(attempt, watchdog, saver)
        steps = self._steps(attempt, staged, self._resources(attempt, started_from))
        with (
            ComputeThread(self._settings.worker_nice) as thread,
            closing(thread.iterate(steps)) as computed,
        ):

            def give_way(progress: JobProgress) -> None:
                if progress.phase not in STARTING:
                    thread.lower_priority()
                record.add(progress)

            return run_to_end(computed, give_way)

    def _resources(self, attempt: Attempt, started_from: PlacedResult | None) -> Resources:
        return replace(
            self._settings.resources,
            result=started_from,
            digests=attempt.dataset_digests(),
            job_id=attempt.job_id,
            gate=attempt.gate,
            model_secret=partial(attempt.model_secret, self._settings),
            search_start=find_start(self._sessions, self._store, attempt.spec),
        )

    def _steps(
        self, attempt: Attempt, staged: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        if not attempt.answers_trial:
            return self._prune(attempt.spec, staged, resources)
        trial = open_trial(self._sessions, self._store, attempt.job_id, staged)
        return answer(attempt.spec, *trial, resources)

    def _stop(self, attempt: Attempt, reason: StopReason) -> None:
        logger.info("job %s stops in attempt %d: %s", attempt.job_id, attempt.number, reason)
        if reason is StopReason.overdue:
            with suppress(LeaseLostError):
                attempt.fail(time_limit_problem(self._settings.job_timeout_s))
        else:
            attempt.release()
        self._delete_files(attempt)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        problem = problem_of(error, attempt.spec)
        finish = attempt.retry_later if problem.code in TRANSIENT_CODES else attempt.fail
        with suppress(LeaseLostError):
            finish(problem)
        self._delete_files(attempt)
        with logged_bucket_errors("files of the attempt are left"):
            if attempt.state_if_held() is JobState.queued:
                # The retry is delayed, so no later attempt uses the staged files yet.
                self._store.discard_unusable(attempt.job_id, attempt.number)
            elif problem.code == DISK_FULL.code:  # the staged files are what fills the disk
                self._store.discard(attempt.job_id, attempt.number)

    def _discard_leftovers(self) -> None:
        """Delete what was staged on this machine for jobs that have ended on another one."""
        here = self._store.staged_here()
        if not here:
            return
        with self._sessions() as session:
            recovery = RecoveryRepository(session)
            ended = recovery.no_longer_retryable(here, self._settings.keep_unfinished)
        for job_id in ended:
            self._store.discard_here(job_id)

    def _delete_files(self, attempt: Attempt) -> None:
        """Delete the attempt's published files, unless the job succeeded while being stopped.

        The attempt's staged files are deleted too if the job has ended without success and a retry
        could not resume from them. While the job has not ended, they are kept, because a later
        attempt may already use them.
        """
        state = attempt.state_if_held()
        with logged_bucket_errors("files of the attempt are left"):
            if state is None or not state.is_final:
                self._store.retract(attempt.job_id, attempt.number)
            elif state is not JobState.succeeded:
                self._store.discard_unusable(attempt.job_id, attempt.number)
