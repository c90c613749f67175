"""The check of a request's ``Host`` header, which protects against DNS rebinding.

In this attack, the host name of an attacker's website starts to resolve to this machine, so that
the browser treats the website and the service as one origin. Neither the client's address nor
``Origin``, which matches ``Host``, then shows the attack; only the name in ``Host`` does. The
attacker controls names but not IP addresses, so ``Host`` may always be the address that the request
arrived at.
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
