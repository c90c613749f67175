"""The thread that claims due messages and sends them to their webhooks."""

import logging
from collections import Counter
from collections.abc import Collection
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from db.core.logging_setup import log_context
from db.core.session import Sessions
from db.webhooks.dispatch import ClaimedDelivery, DispatchRepository, SendResult
from worker.dispatcher import Dispatcher
from worker.settings import WorkerSettings
from worker.webhooks.sender import Sender
from worker.webhooks.signature import signed_headers

logger = logging.getLogger(__name__)


class WebhookDispatcher(Dispatcher[ClaimedDelivery]):
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
        super().__init__("messages", every_s=every_s, max_concurrent=max_concurrent)
        self._sessions, self._sender, self._max_per_webhook = sessions, sender, max_per_webhook

    @classmethod
    def of(cls, sessions: Sessions, settings: WorkerSettings) -> Self:
        logger.setLevel(logging.INFO)  # the other loggers of the control process log warnings
        sender = Sender(settings.webhook_networks)
        return cls(sessions, sender, every_s=settings.relay_every_s)

    def _claim(self, sending: Collection[ClaimedDelivery]) -> ClaimedDelivery | None:
        """Claim a due message of a webhook that is below its limit."""
        counts = Counter(claimed.webhook_id for claimed in sending)
        full = [webhook for webhook, count in counts.items() if count >= self._max_per_webhook]
        with self._sessions() as session:
            if not DispatchRepository(session).is_due(without=full):
                return None
        with self._sessions.begin() as session:
            return next(iter(DispatchRepository(session).claim(1, without=full)), None)

    def _send(self, claimed: ClaimedDelivery) -> None:
        with log_context(webhook_id=claimed.webhook_id, delivery_id=claimed.id):
            self._settle(claimed, self._request(claimed))

    def _request(self, claimed: ClaimedDelivery) -> SendResult:
        try:
            headers = signed_headers(claimed.id, claimed.body, claimed.secrets)
            return self._sender.send(claimed.url, claimed.body, headers)
        except Exception:
            # A message that is not settled would be sent again every minute, forever.
            logger.exception("message %s cannot be sent", claimed.id)
            return SendResult(0.0, error="the service failed to send it; see its log")

    def _settle(self, claimed: ClaimedDelivery, outcome: SendResult) -> None:
        try:
            with self._sessions.begin() as session:
                is_recorded = DispatchRepository(session).record_result(claimed, outcome)
        except SQLAlchemyError as error:
            logger.warning(
                "the outcome of message %s is lost; it will be sent again: %s", claimed.id, error
            )
            return
        logger.log(
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
