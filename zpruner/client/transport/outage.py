"""How long those who wait outlive a service that does not answer, as while it is restarted."""

import time

from zpruner.client.transport.errors import ServiceError

OUTAGE_S = 60.0


class Outage:
    """The time since the service answered last; it may fail to for ``within_s``."""

    def __init__(self, within_s: float = OUTAGE_S) -> None:
        self._within_s = within_s
        self._heard = time.monotonic()

    def heard(self) -> None:
        """Start over: the service has answered."""
        self._heard = time.monotonic()

    def endure(self, error: ServiceError) -> None:
        """Return if asking again may help.

        Raises:
            ServiceError: this one; the service refused, or has not answered for too long.
        """
        if error.is_refusal or time.monotonic() - self._heard > self._within_s:
            raise error
