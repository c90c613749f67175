"""Base class of the clients and of their collections, such as jobs, keys and webhooks."""

from zpruner.client.transport.modes import Bound, Mode
from zpruner.client.transport.transport import Transport


class Resource(Bound[Mode]):
    """An object whose methods send requests through one client's transport."""

    _transport: Transport[Mode]

    def __init__(self, transport: Transport[Mode]) -> None:
        self._transport = transport
