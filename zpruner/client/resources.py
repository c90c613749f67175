"""Base class for a service's collections, such as jobs, keys and webhooks."""

from zpruner.client.transport.modes import Bound, Mode
from zpruner.client.transport.transport import Transport


class Resource(Bound[Mode]):
    """One collection of a service, used through one client's transport."""

    _transport: Transport[Mode]

    def __init__(self, transport: Transport[Mode]) -> None:
        self._transport = transport
