"""The names that the service answers to.

A page whose own name was made to resolve to this machine shares an origin with the service, so
neither the address nor ``Origin`` gives it away: only the name in ``Host`` does. An address cannot
be made to resolve to another one, so the one that the request arrived at is always good.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from fastapi import Request

from db.startup.server_settings import ANY_HOST, DoorSettings, is_loopback


class Hosts:
    """The allowed values of the ``Host`` header, whatever port they name."""

    def __init__(self, settings: DoorSettings) -> None:
        self._names = {settings.host.lower(), *settings.allowed_hosts}

    def allows(self, request: Request) -> bool:
        """Whether the request may be answered under the name it was sent to."""
        if ANY_HOST in self._names:
            return True
        if (name := requested_host(request)) is None:
            return False
        return is_loopback(name) or name in self._names or _is_arrival_address(request, name)


def requested_host(request: Request) -> str | None:
    """Return the ``Host`` header without its port; None where there is not exactly one."""
    sent = request.headers.getlist("host")
    try:
        return urlsplit(f"//{sent[0]}").hostname if len(sent) == 1 else None
    except ValueError:
        return None


def _is_arrival_address(request: Request, name: str) -> bool:
    server, _ = request.scope.get("server") or ("", None)
    asked = _address(name)
    return asked is not None and asked == _address(server)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
