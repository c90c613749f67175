"""The host names under which the service may be called: protection against DNS rebinding.

An attacker's page whose name resolves to this machine has the same origin as the service, so
neither the address nor ``Origin`` shows the attack; only the name in ``Host`` does. A name cannot
imitate an address, so the address that the request arrived at is always allowed.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from fastapi import Request

from db.startup.server_settings import ANY_HOST, ServerSettings, is_loopback


class Hosts:
    """The allowed values of the ``Host`` header; ports are ignored."""

    def __init__(self, settings: ServerSettings) -> None:
        self._names = {settings.host.lower(), *settings.allowed_hosts}

    def allows(self, request: Request) -> bool:
        if ANY_HOST in self._names:
            return True
        if (name := requested_host(request)) is None:
            return False
        return is_loopback(name) or name in self._names or _is_arrival_address(request, name)


def requested_host(request: Request) -> str | None:
    """Return ``Host`` without its port; None if the header is missing, repeated or not valid."""
    sent = request.headers.getlist("host")
    try:
        return urlsplit(f"//{sent[0]}").hostname if len(sent) == 1 else None
    except ValueError:
        return None


def _is_arrival_address(request: Request, name: str) -> bool:
    server, _ = request.scope.get("server") or ("", None)
    address = _address(name)
    return address is not None and address == _address(server)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
