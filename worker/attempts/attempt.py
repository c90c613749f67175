"""One attempt at one job: everything it tells the database carries its number."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.core.errors import JobNotFoundError, LeaseLostError
from db.core.problem import Problem
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.files.artifact_store import NewArtifact
from db.files.datasets import DatasetRepository
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import Block, Eta, LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Job

T = TypeVar("T")
log = logging.getLogger(__name__)
TRIES = 3


class Attempt:
    """A claimed job. Each method is one transaction, safe to call from any thread."""

    def __init__(self, sessions: Sessions, job: Job, lease: timedelta) -> None:
        self._sessions, self._lease = sessions, lease
        self.job_id, self.number, self.spec = job.id, job.attempt, job.spec
        self.asked_by = job.traceparent

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
        """Take the most urgent job of the queues, else the one that was rung for.

        None says that there is nothing to do: it is someone else's, or over, or not for us.
        """
        for _ in range(TRIES):
            with sessions.begin() as session:
                urgent = QueueRepository(session).next_job(queues) if queues else None
                claims = ClaimRepository(session, lease=lease)
                job = claims.claim(urgent or job_id, worker, worker_id=worker_id, queues=queues)
                if job is not None and worker_id is not None:
                    WorkerRepository(session).set_job(worker_id, job.id)
            if job is not None:
                return cls(sessions, job, lease)
            if urgent is None:
                break  # else it is another one's turn in its sweep by now: look again
        return None

    def status(self) -> JobState:
        """Read where the job is; cheap enough to ask every second.

        Raises:
            LeaseLostError: another attempt holds the job.
        """
        with self._sessions() as session:
            job = JobRepository(session).get(self.job_id)
        if job.attempt != self.number:
            raise LeaseLostError(self.job_id, self.number)
        return job.status

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each uploaded dataset that the job names."""
        with self._sessions() as session:
            return DatasetRepository(session).digests(self.spec)

    def heartbeat(self) -> JobState:
        """Renew the lease, once."""
        with self._sessions.begin() as session:
            return self._leases(session).heartbeat(self.job_id, self.number)

    def record(
        self,
        phase: Phase,
        fraction: float,
        block: Block | None,
        report: dict[str, Any] | None,
        eta: Eta | None = None,
    ) -> JobState:
        """Write progress and a finished block's report; the answer says whether to stop."""

        def write(leases: LeaseRepository) -> JobState:
            if block is not None and report is not None:
                leases.report_block(self.job_id, self.number, block[0], block[2], report)
            return leases.report_progress(
                self.job_id, self.number, phase=phase, fraction=fraction, block=block, eta=eta
            )

        return self._persist(write)

    def resumed(self, block: int) -> None:
        """Say that blocks before ``block`` are an earlier attempt's work."""
        self._persist(lambda leases: leases.report_resume(self.job_id, self.number, block))

    def succeed(self, result: dict[str, Any], artifacts: Sequence[NewArtifact]) -> None:
        """End the job with its metrics and files."""
        self._persist(lambda leases: leases.succeed(self.job_id, self.number, result, artifacts))

    def outcome(self) -> JobState | None:
        """Return where this attempt has brought the job; None: another has it, or it is gone."""
        try:
            return self.status()
        except (JobNotFoundError, LeaseLostError):
            return None

    def fail(self, problem: Problem) -> None:
        """End the job with what went wrong."""
        self._persist(lambda leases: leases.fail(self.job_id, self.number, problem))

    def postpone(self, problem: Problem) -> None:
        """Queue the job again for later, as what went wrong may pass; or end it at last."""
        self._persist(lambda leases: leases.postpone(self.job_id, self.number, problem))

    def let_go(self) -> None:
        """Give the job back; one that was being cancelled ends as cancelled.

        A no-op for an attempt that holds nothing any more.
        """
        with suppress(LeaseLostError):
            self._persist(lambda leases: leases.release(self.job_id, self.number))

    def _leases(self, session: Session) -> LeaseRepository:
        return LeaseRepository(session, lease=self._lease)

    def _persist(self, act: Callable[[LeaseRepository], T]) -> T:
        """Write in one transaction; outlast a restart of the database as long as a lease lasts."""
        deadline = time.monotonic() + self._lease.total_seconds()
        while True:
            try:
                with self._sessions.begin() as session:
                    return act(self._leases(session))
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("job %s waits for the database: %s", self.job_id, error.orig)
                time.sleep(1)
