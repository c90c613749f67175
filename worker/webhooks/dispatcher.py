"""The thread that claims due messages and sends them to their webhooks."""

import logging
import threading
import time
from collections import Counter
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.logging_setup import log_context
from db.core.session import Sessions
from db.webhooks.dispatch import ClaimedDelivery, DispatchRepository, SendResult
from worker.settings import WorkerSettings
from worker.webhooks.sender import Sender
from worker.webhooks.signature import signed_headers

log = logging.getLogger(__name__)


class WebhookDispatcher:
    """Sends messages concurrently, a few per webhook, so that a slow webhook delays no other.

    If the process ends after claiming a message and before recording the result, the message is due
    again after a minute.
    """

    def __init__(
        self,
        sessions: Sessions,
        sender: Sender,
        *,
        every_s: float = 1.0,
        max_concurrent: int = 16,
        max_per_webhook: int = 4,
    ) -> None:
        self._sessions, self._sender, self._every_s = sessions, sender, every_s
        self._max_concurrent, self._max_per_webhook = max_concurrent, max_per_webhook
        self._sending: dict[threading.Thread, str] = {}  # the thread's webhook
        self._lock = threading.Lock()
        self._woken, self._is_stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="webhook-dispatcher", daemon=True)

    @classmethod
    def of(cls, sessions: Sessions, settings: WorkerSettings) -> Self:
        log.setLevel(logging.INFO)  # the other loggers of the control process log warnings
        sender = Sender(settings.webhook_networks)
        return cls(sessions, sender, every_s=settings.relay_every_s)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float = 3.0) -> None:
        """Claim no more messages, and wait up to ``grace_s`` seconds for those being sent."""
        deadline = time.monotonic() + grace_s
        self._is_stopping = True
        self._woken.set()
        self._thread.join(grace_s)
        self.wait(deadline - time.monotonic())

    def wait(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` seconds for the messages that are being sent now."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            sending = list(self._sending)
        for thread in sending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_due(self) -> int:
        """Start sending due messages up to the limits, and return how many were started."""
        count = 0
        while (claimed := self._claim()) is not None:
            thread = threading.Thread(
                target=self._deliver, args=(claimed,), name=claimed.id, daemon=True
            )
            with self._lock:
                thread.start()
                self._sending[thread] = claimed.webhook_id
            count += 1
        return count

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self.send_due()
            except SQLAlchemyError as error:
                log.warning("due messages cannot be read: %s", error)
            except Exception:  # the thread must go on, or no message would be sent any more
                log.exception("due messages cannot be sent")
            self._woken.wait(self._every_s)
            self._woken.clear()

    def _claim(self) -> ClaimedDelivery | None:
        """Claim a due message of a webhook that is below its limit.

        Return None if there is no such message, or if no further message may be sent now.
        """
        with self._lock:
            sending = Counter(self._sending.values())
        if self._is_stopping or sending.total() >= self._max_concurrent:
            return None
        full = [webhook for webhook, count in sending.items() if count >= self._max_per_webhook]
        with self._sessions() as session:
            if not DispatchRepository(session).is_due(without=full):
                return None
        with self._sessions.begin() as session:
            return next(iter(DispatchRepository(session).claim(1, without=full)), None)

    def _deliver(self, claimed: ClaimedDelivery) -> None:
        with log_context(webhook_id=claimed.webhook_id, delivery_id=claimed.id):
            try:
                self._settle(claimed, self._send(claimed))
            finally:
                with self._lock:
                    del self._sending[threading.current_thread()]
                self._woken.set()  # another message can be sent

    def _send(self, claimed: ClaimedDelivery) -> SendResult:
        try:
            headers = signed_headers(claimed.id, claimed.body, claimed.secrets)
            return self._sender.send(claimed.url, claimed.body, headers)
        except Exception:
            # A message that is not settled would be sent again every minute, forever.
            log.exception("message %s cannot be sent", claimed.id)
            return SendResult(0.0, error="the service failed to send it; see its log")

    def _settle(self, claimed: ClaimedDelivery, outcome: SendResult) -> None:
        try:
            with self._sessions.begin() as session:
                is_recorded = DispatchRepository(session).record_result(claimed, outcome)
        except SQLAlchemyError as error:
            log.warning(
                "the outcome of message %s is lost; it will be sent again: %s", claimed.id, error
            )
            return
        log.log(
            logging.INFO if outcome.is_delivered else logging.WARNING,
            "message %s to %s, attempt %d, %.2f s: %s%s",
            claimed.id,
            claimed.webhook_id,
            claimed.attempt,
            outcome.seconds,
            _description(outcome),
            "" if is_recorded else " (not recorded: it was claimed again or deleted)",
        )


def _description(outcome: SendResult) -> str:
    return ", ".join(str(part) for part in (outcome.status, outcome.error) if part is not None)
