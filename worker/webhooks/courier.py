"""The thread that brings messages to their receivers: it claims what is due and has it sent."""

import logging
import threading
import time
from collections import Counter
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.logging_setup import about
from db.core.session import Sessions
from db.webhooks.dispatch import Claimed, DispatchRepository, Outcome
from worker.settings import WorkerSettings
from worker.webhooks.sender import Sender
from worker.webhooks.signature import signed

log = logging.getLogger(__name__)


class Courier:
    """Sends several messages at once, few of them to one webhook: a slow one delays its own only.

    What is claimed and not settled, because somebody died on the way, is due again after a minute.
    """

    def __init__(
        self,
        sessions: Sessions,
        sender: Sender,
        *,
        every_s: float = 1.0,
        at_once: int = 16,
        each_at_once: int = 4,
    ) -> None:
        self._sessions, self._sender, self._every_s = sessions, sender, every_s
        self._at_once, self._each_at_once = at_once, each_at_once
        self._sending: dict[threading.Thread, str] = {}  # to which webhook
        self._lock = threading.Lock()
        self._woken, self._is_stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    @classmethod
    def of(cls, sessions: Sessions, settings: WorkerSettings) -> Self:
        """Return the courier of a service."""
        log.setLevel(logging.INFO)  # its process tells warnings only, for the janitor's sake
        sender = Sender(settings.webhook_networks)
        return cls(sessions, sender, every_s=settings.relay_every_s)

    def start(self) -> None:
        """Go on sending what is due."""
        self._thread.start()

    def stop(self, grace_s: float = 3.0) -> None:
        """Claim nothing more, and give what is on its way some seconds to arrive."""
        deadline = time.monotonic() + grace_s
        self._is_stopping = True
        self._woken.set()
        self._thread.join(grace_s)
        self.wait(deadline - time.monotonic())

    def wait(self, timeout_s: float) -> None:
        """Wait until what is on its way now has arrived, or not; but no longer than told."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            sending = list(self._sending)
        for thread in sending:
            thread.join(max(0.0, deadline - time.monotonic()))

    def send_due(self) -> int:
        """Begin to send what is due, as far as there is room, and return how much that was."""
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
                log.warning("what is due cannot be looked up: %s", error)
            except Exception:  # whatever it is: without this thread nothing goes out any more
                log.exception("what is due cannot be sent")
            self._woken.wait(self._every_s)
            self._woken.clear()

    def _claim(self) -> Claimed | None:
        """Take one message that is due, of no webhook that has as many on their way as it may."""
        with self._lock:
            sending = Counter(self._sending.values())
        if self._is_stopping or sending.total() >= self._at_once:
            return None
        full = [one for one, count in sending.items() if count >= self._each_at_once]
        with self._sessions() as session:
            if not DispatchRepository(session).is_due(without=full):
                return None
        with self._sessions.begin() as session:
            return next(iter(DispatchRepository(session).claim(1, without=full)), None)

    def _deliver(self, claimed: Claimed) -> None:
        with about(webhook_id=claimed.webhook_id, delivery_id=claimed.id):
            try:
                self._settle(claimed, self._send(claimed))
            finally:
                with self._lock:
                    del self._sending[threading.current_thread()]
                self._woken.set()  # there is room for another one

    def _send(self, claimed: Claimed) -> Outcome:
        try:
            headers = signed(claimed.id, claimed.body, claimed.secrets)
            return self._sender.send(claimed.url, claimed.body, headers)
        except Exception:
            # Not settled, it would be sent every minute for ever.
            log.exception("message %s cannot be sent", claimed.id)
            return Outcome(0.0, error="the service failed to send it; its log tells why")

    def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        try:
            with self._sessions.begin() as session:
                is_noted = DispatchRepository(session).settle(claimed, outcome)
        except SQLAlchemyError as error:
            log.warning("what came of message %s is lost, it goes again: %s", claimed.id, error)
            return
        log.log(
            logging.INFO if outcome.is_delivered else logging.WARNING,
            "message %s to %s, attempt %d, %.2f s: %s%s",
            claimed.id,
            claimed.webhook_id,
            claimed.attempt,
            outcome.seconds,
            _words(outcome),
            "" if is_noted else " (not noted: it was claimed anew, or is gone)",
        )


def _words(outcome: Outcome) -> str:
    return ", ".join(str(part) for part in (outcome.status, outcome.error) if part is not None)
