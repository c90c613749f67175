"""The thread that claims due outputs and sends them, a few at once."""

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.logging_setup import log_context
from db.core.session import Sessions
from db.events.transitions import LEASE
from db.files.artifact_store import ArtifactStore
from db.files.stores import open_store
from db.outputs.sending import ClaimedOutput, OutputLostError, SendingRepository
from db.startup.settings import Settings
from worker.dispatcher import Dispatcher
from worker.outputs.attempt import OutputAttempt, SendingStopped
from worker.outputs.failures import Failure, failure_of
from worker.outputs.sender import Sender

logger = logging.getLogger(__name__)


class OutputDispatcher(Dispatcher[ClaimedOutput]):
    """Sends outputs concurrently.

    When it is stopped, outputs are released as soon as they next read a file, and sent by the next
    process. If the process is killed, its outputs are due again once their leases have expired.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        sender: Sender,
        *,
        every_s: float = 1.0,
        max_concurrent: int = 4,
        lease: timedelta = LEASE,
    ) -> None:
        super().__init__("outputs", every_s=every_s, max_concurrent=max_concurrent)
        self._sessions, self._store, self._sender = sessions, store, sender
        self._lease = lease

    @classmethod
    def of(cls, sessions: Sessions, settings: Settings) -> Self:
        store = open_store(settings)
        return cls(sessions, store, Sender(sessions, settings))

    def _claim(self, sending: Collection[ClaimedOutput]) -> ClaimedOutput | None:
        with self._sessions() as session:
            if not SendingRepository(session).is_due():
                return None
        try:
            with self._sessions.begin() as session:
                return SendingRepository(session, lease=self._lease).claim()
        except OutputLostError:  # another process was faster
            return None

    def _send(self, claimed: ClaimedOutput) -> None:
        with log_context(job_id=claimed.job_id, output=claimed.index, attempt=claimed.attempt):
            self._attempt(claimed)

    def _attempt(self, claimed: ClaimedOutput) -> None:
        """Make one attempt and record what became of it, unless it lost the output."""
        address = claimed.target.address
        logger.info("output %d of %s goes to %s", claimed.index, claimed.job_id, address)
        attempt = OutputAttempt(
            self._sessions, self._store, claimed, self._stopping, lease=self._lease
        )
        try:
            with attempt:
                url = self._sender.send(attempt)
            logger.info("output %d of %s was sent: %s", claimed.index, claimed.job_id, url)
            self._record(claimed, url)
        except SendingStopped:
            logger.info("output %d of %s is not sent further", claimed.index, claimed.job_id)
            if not attempt.is_lost:
                self._record(claimed, None)
        except Exception as error:  # clients of targets raise anything; it is recorded
            self._record(claimed, failure_of(error, address), error)

    def _record(
        self,
        claimed: ClaimedOutput,
        outcome: str | Failure | None,
        error: Exception | None = None,
    ) -> None:
        """Record an address, a failure, or, with None, that the output was returned unfinished."""
        if isinstance(outcome, Failure):
            trace = None if outcome.is_expected else error
            logger.warning(
                "output %d of %s was not sent: %s",
                claimed.index,
                claimed.job_id,
                outcome.problem.detail,
                exc_info=trace,
            )
        try:
            with suppress(OutputLostError), self._sessions.begin() as session:
                sending = SendingRepository(session, lease=self._lease)
                match outcome:
                    case None:
                        sending.release(claimed)
                    case str():
                        sending.succeed(claimed, outcome)
                    case Failure(is_transient=True):
                        sending.postpone(claimed, outcome.problem, outcome.retry_after)
                    case Failure():
                        sending.fail(claimed, outcome.problem)
        except SQLAlchemyError as lost:
            logger.warning("the outcome of an output is lost, it will be sent again: %s", lost)
