"""The base class of the collections of a service: jobs, keys, webhooks and others."""

from zpruner.client.transport.modes import Bound, Mode
from zpruner.client.transport.transport import Transport


class Resource(Bound[Mode]):
    """One collection of a service, used through one client's transport."""

    _transport: Transport[Mode]

    def __init__(self, transport: Transport[Mode]) -> None:
        self._transport = transport
