"""What belongs to one client."""

from zpruner.client.transport.modes import Bound, Mode
from zpruner.client.transport.transport import Transport


class Resource(Bound[Mode]):
    """A kind of things that a service has, as one client asks for them."""

    _transport: Transport[Mode]

    def __init__(self, transport: Transport[Mode]) -> None:
        self._transport = transport
