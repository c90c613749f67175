"""The thread that claims due outputs and sends them, a few at once."""

import logging
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.logging_setup import log_context
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.stores import open_store
from db.outputs.sending import LEASE, ClaimedOutput, OutputLostError, SendingRepository
from db.startup.settings import Settings
from worker.outputs.attempt import OutputAttempt, SendingStopped
from worker.outputs.failures import Failure, failure_of
from worker.outputs.sender import Sender

log = logging.getLogger(__name__)


class OutputDispatcher:
    """Sends outputs concurrently.

    If the process is killed, its outputs are due again once their leases have expired.
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
        self._sessions, self._store, self._sender = sessions, store, sender
        self._every_s, self._max_concurrent, self._lease = every_s, max_concurrent, lease
        self._sending: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="output-dispatcher", daemon=True)

    @classmethod
    def of(cls, sessions: Sessions, settings: Settings) -> Self:
        store = open_store(settings)
        return cls(sessions, store, Sender(sessions, settings))

    @property
    def is_alive(self) -> bool:
        """Whether the thread that claims outputs runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Claim no more outputs, and wait up to ``grace_s`` seconds for the others to be released.

        They are released when they next read a file, and sent by the next process.
        """
        deadline = time.monotonic() + grace_s
        self._stopping.set()
        self._woken.set()
        self._thread.join(grace_s)
        self.wait(deadline - time.monotonic())

    def wait(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` seconds for the outputs that are being sent now."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            sending = list(self._sending)
        for thread in sending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_due(self) -> int:
        """Start sending due outputs up to the limit, and return how many were started."""
        count = 0
        while (claimed := self._claim()) is not None:
            thread = threading.Thread(target=self._send, args=(claimed,), daemon=True)
            with self._lock:
                thread.start()
                self._sending.add(thread)
            count += 1
        return count

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.send_due()
            except SQLAlchemyError as error:
                log.warning("due outputs cannot be read: %s", error)
            except Exception:  # the thread must go on, or no output would be sent any more
                log.exception("due outputs cannot be sent")
            self._woken.wait(self._every_s)
            self._woken.clear()

    def _claim(self) -> ClaimedOutput | None:
        with self._lock:
            is_full = len(self._sending) >= self._max_concurrent
        if is_full or self._stopping.is_set():
            return None
        with self._sessions() as session:
            if not SendingRepository(session).is_due():
                return None
        try:
            with self._sessions.begin() as session:
                return SendingRepository(session, lease=self._lease).claim()
        except OutputLostError:  # another process was faster
            return None

    def _send(self, claimed: ClaimedOutput) -> None:
        try:
            with log_context(job_id=claimed.job_id, output=claimed.index, attempt=claimed.attempt):
                self._attempt(claimed)
        finally:
            with self._lock:
                self._sending.discard(threading.current_thread())
            self._woken.set()  # another output can be sent

    def _attempt(self, claimed: ClaimedOutput) -> None:
        """Make one attempt and record what became of it, unless it lost the output."""
        address = claimed.target.address
        log.info("output %d of %s goes to %s", claimed.index, claimed.job_id, address)
        attempt = OutputAttempt(
            self._sessions, self._store, claimed, self._stopping, lease=self._lease
        )
        try:
            with attempt:
                url = self._sender.send(attempt)
            log.info("output %d of %s was sent: %s", claimed.index, claimed.job_id, url)
            self._record(claimed, url)
        except SendingStopped:
            log.info("output %d of %s is not sent further", claimed.index, claimed.job_id)
            if not attempt.is_lost:
                self._record(claimed, None)
        except Exception as error:
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
            log.warning(
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
            log.warning("the outcome of an output is lost, it will be sent again: %s", lost)
