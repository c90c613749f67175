"""One attempt at one job, and its writes to the database."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from db.access.caller_secrets import read_model_secret
from db.core.errors import JobNotFoundError, LeaseLostError
from db.core.problem import Problem
from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_rows import JobRow, get_job
from db.files.datasets import DatasetRepository
from db.files.sealed_folder import NewArtifact
from db.jobs.costs import CostRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import Eta, LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.workers import WorkerRepository
from db.spec.quality_gate import Gate
from db.startup.settings import Settings
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.trials import TRIAL
from worker.attempts.busy_machine import BEGINNING
from worker.jobs.progress import JobProgress, JobResult

T = TypeVar("T")
logger = logging.getLogger(__name__)
MAX_CLAIMS = 3


class Attempt:
    """One attempt at a job, from its claim on.

    Each write is a transaction of its own. Once the attempt no longer holds the job, every write
    except `release` raises `LeaseLostError`. All methods are thread-safe.

    Attributes:
        before_end: called before the attempt's end is recorded.
    """

    before_end: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, sessions: Sessions, job: JobRow, lease: timedelta) -> None:
        self._sessions, self._lease = sessions, lease
        self.job_id, self.number, self.spec = job.id, job.attempt, job.spec
        self.traceparent, self.created_by = job.traceparent, job.created_by
        self.answers_trial, self._has_price = job.method == TRIAL, job.hourly_price is not None
        self.gate = None if job.gate is None else Gate.model_validate(job.gate)

    @classmethod
    def claim(
        cls,
        sessions: Sessions,
        job_id: str,
        worker: str,
        lease: timedelta,
        *,
        worker_id: str | None = None,
        queues: Sequence[str] = (),
    ) -> "Attempt | None":
        """Claim the most urgent waiting job of ``queues``, or ``job_id`` if none waits there.

        Return None if the job cannot be claimed: for example, because it has ended, another worker
        holds it, it is in another queue, or the worker takes no new jobs.
        """
        for _ in range(MAX_CLAIMS):
            with sessions.begin() as session:
                queue = QueueRepository(session)
                urgent = queue.next_job(queues, worker_id) if queues else None
                claims = ClaimRepository(session, lease=lease)
                job = claims.claim(urgent or job_id, worker, worker_id=worker_id, queues=queues)
                if job is not None and worker_id is not None:
                    WorkerRepository(session).set_job(worker_id, job.id)
            if job is not None:
                return cls(sessions, job, lease)
            if urgent is None:
                break  # otherwise another worker or the sweep's limit was faster: check again
        return None

    def status(self) -> JobState:
        """Read the job's state; cheap enough to be called every second.

        Raises:
            JobNotFoundError: the job was deleted.
            LeaseLostError: a later attempt has started.
        """
        with self._sessions() as session:
            return self._leases(session).status(self.job_id, self.number)

    def dataset_digests(self) -> dict[str, str]:
        """Return the SHA-256 of each uploaded dataset that the job names."""
        with self._sessions() as session:
            return DatasetRepository(session).digests(self.spec)

    def model_secret(self, settings: Settings) -> str | None:
        """Return the value of the secret that the job names; None if it names none.

        Raises:
            SpecRefusedError: the job's key has no secret of this name.
            EncryptionKeyError: this worker cannot decrypt it.
        """
        used_by = f"job {self.job_id}"
        return read_model_secret(self._sessions, settings, self.spec, self.created_by, used_by)

    def heartbeat(self) -> JobState:
        """Renew the lease and return the job's state; a failed write is not repeated."""
        with self._sessions.begin() as session:
            return self._leases(session).heartbeat(self.job_id, self.number)

    def warn(self, text: str) -> None:
        """Add to the job's warnings that the machine is busy; a failed write is only logged."""
        try:
            with self._sessions.begin() as session:
                self._leases(session).report_warning(self.job_id, self.number, text, BEGINNING)
        except (LeaseLostError, SQLAlchemyError) as error:
            logger.warning("job %s: a warning is not stored: %s", self.job_id, error)

    def record(self, progress: JobProgress, eta: Eta | None = None) -> JobState:
        """Write progress, and the report of a block just finished; return the job's state."""
        block, report = progress.block, progress.report

        def write(leases: LeaseRepository) -> JobState:
            if block is not None and report is not None:
                leases.report_block(self.job_id, self.number, block[0], block[2], report)
            status = leases.report_progress(
                self.job_id,
                self.number,
                phase=progress.phase,
                fraction=progress.fraction,
                block=block,
                recovery=progress.recovery,
                eta=eta,
                step=_step(progress),
            )
            for name in ("resumed_from_block", "resumed_from_step"):
                if (kept := getattr(progress, name)) is not None:
                    leases.report_resume(self.job_id, self.number, {name: kept})
            return status

        return self._retried(write)

    def check_cost(self) -> None:
        """Check that the job has not cost more than it may; the bound may have been changed.

        Raises:
            SpecRefusedError: it has.
        """
        if self._has_price:
            with self._sessions() as session:
                CostRepository(session).require_left(get_job(session, self.job_id))

    def succeed(self, result: JobResult, artifacts: Sequence[NewArtifact]) -> None:
        """Record that the job succeeded, with its metrics, warnings and artifacts."""

        def write(leases: LeaseRepository) -> Job:
            metrics, warnings = result.metrics, result.warnings
            return leases.succeed(self.job_id, self.number, metrics, artifacts, warnings)

        self._end(write)

    def state_if_held(self) -> JobState | None:
        """Return the job's state; None if the job was deleted or another attempt holds it."""
        try:
            return self.status()
        except (JobNotFoundError, LeaseLostError):
            return None

    def fail(self, problem: Problem) -> None:
        """Record that the job failed, or was cancelled if a cancel was requested."""
        self._end(lambda leases: leases.fail(self.job_id, self.number, problem))

    def retry_later(self, problem: Problem) -> None:
        """Queue the job again after a delay, or fail it if its automatic retries are used up."""
        self._end(lambda leases: leases.postpone(self.job_id, self.number, problem))

    def release(self) -> None:
        """Queue the job again; if a pause or cancel was requested, pause or cancel it instead.

        Does nothing if the attempt does not hold the job any more.
        """
        with suppress(LeaseLostError):
            self._end(lambda leases: leases.release(self.job_id, self.number))

    def _end(self, write: Callable[[LeaseRepository], object]) -> None:
        self.before_end()
        self._retried(write)

    def _leases(self, session: Session) -> LeaseRepository:
        return LeaseRepository(session, lease=self._lease)

    def _retried(self, write: Callable[[LeaseRepository], T]) -> T:
        """Call ``write`` in a transaction.

        While the database is down, repeat the call, but for no longer than a lease lasts.
        """
        deadline = time.monotonic() + self._lease.total_seconds()
        while True:
            try:
                with self._sessions.begin() as session:
                    return write(self._leases(session))
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise
                logger.warning("job %s waits for the database: %s", self.job_id, error.orig)
                time.sleep(1)


def _step(progress: JobProgress) -> Document | None:
    """Return the step of a gradual job, with its measurements once it has finished."""
    if progress.step is None:
        return None
    number, total = progress.step
    return {"number": number, "total": total, "result": progress.step_result}
