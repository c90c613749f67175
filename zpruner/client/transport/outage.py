"""The time limit for a service that does not respond, for instance during a restart."""

import time

from zpruner.client.transport.errors import ServiceError

OUTAGE_S = 60.0


class Outage:
    """Limits the time since the service's last response to ``within_s`` seconds."""

    def __init__(self, within_s: float = OUTAGE_S) -> None:
        self._within_s = within_s
        self._answered_at = time.monotonic()

    def reset(self) -> None:
        """Record that the service has responded."""
        self._answered_at = time.monotonic()

    def check(self, error: ServiceError) -> None:
        """Raise ``error``, unless repeating the request may help.

        Raises:
            ServiceError: the service refused the request, or has not responded for too long.
        """
        if error.is_refusal or time.monotonic() - self._answered_at > self._within_s:
            raise error
