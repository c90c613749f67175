"""The addresses that webhooks may have: public ones, and those in the configured networks."""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, urlsplit

from db.core.errors import AddressRefusedError
from db.core.redaction import redact

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

SETTING = "ZPRUNER_WEBHOOK_NETWORKS"
MAX_LENGTH = 2048
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_NUMBERS = re.compile(r"(.*\.)?(\d+|0[xX][0-9A-Fa-f]*)\.?")
_NAT64 = ip_network("64:ff9b::/96")
_NOT_HOSTS = tuple(
    map(
        ip_network,
        (
            "192.88.99.0/24",  # relays to IPv6, withdrawn by RFC 7526
            "3fff::/20",  # for documentation, RFC 9637
            "64:ff9b:1::/48",  # translation within a network, RFC 8215
            "168.63.129.16/32",  # the host of each machine in Azure
        ),
    )
)
"""Networks that Python's list of special ones lacks, but in which no receiver can be."""
_LOOPBACK = "127.0.0.1"


def check_address(url: str, networks: Networks) -> None:
    """Raise an error for a URL that webhooks may not have; host names are not resolved.

    Raises:
        AddressRefusedError: the URL is malformed, too long, not HTTP(S), or contains credentials
            or a fragment; or its host is in a private network outside ``networks``; or it uses
            HTTP for a host that requires HTTPS.
    """
    parts = _split(url)
    if parts.scheme not in {"http", "https"}:
        raise _refused(url, "is not an https URL", "Write it as https://host/path.")
    if "@" in parts.netloc:
        raise _refused(
            url, "carries credentials", "Remove them; receivers verify the signature instead."
        )
    if "#" in url:
        raise _refused(
            url, "has a fragment, which is never sent", "Remove the # and everything after it."
        )
    _check_host(url, parts, networks)


def is_allowed(address: Address, networks: Networks, *, encrypted: bool = True) -> bool:
    """Return whether webhooks may be sent to an address.

    They may be sent to any address in ``networks``. If ``encrypted``, they may also be sent to any
    public address.
    """
    inner = _inner(address)
    if any(form in network for form in {address, inner} for network in networks):
        return True
    return encrypted and _is_global(inner)


def _split(url: str) -> SplitResult:
    if len(url) > MAX_LENGTH:
        raise _refused(url, "is too long", f"Use at most {MAX_LENGTH} characters.")
    # urlsplit removes some of these characters, and other parsers treat a backslash as a slash.
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        remedy = "Percent-encode such characters, and write the host name in ASCII (xn--…)."
        raise _refused(url, "contains characters that no URL may contain", remedy)
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError("no server can have the port 0")
    except ValueError as error:
        raise _refused(
            url, f"cannot be parsed: {error}", "Write it as https://host/path."
        ) from None
    return parts


def _check_host(url: str, parts: SplitResult, networks: Networks) -> None:
    host = parts.hostname or ""
    address = _literal(host)
    if address is None and not _NAME.fullmatch(host):
        raise _refused(url, "has no host", "Write it as https://host/path.")
    if address is None and _NUMBERS.fullmatch(host):
        raise _refused(url, "abbreviates an IP address", "Write it in full, as in 192.0.2.7.")
    encrypted = parts.scheme == "https"
    if address is None:
        if not encrypted and not networks:
            raise _refused(url, "is not encrypted", f"Use https. {_OPERATOR}")
    elif not is_allowed(address, networks, encrypted=encrypted):
        if not encrypted and is_allowed(address, networks):
            raise _refused(url, "is not encrypted", f"Use https. {_OPERATOR}")
        raise _refused(url, "is in a private network", f"Use a public host. {_OPERATOR}")


def _literal(host: str) -> Address | None:
    """Return the address if the host is an IP address or localhost; None for any other name."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        host = _LOOPBACK
    try:
        return ip_address(host)
    except ValueError:
        return None


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds, or else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_global(address: Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    is_known = any(address in network for network in _NOT_HOSTS)
    return address.is_global and not (special or site_local or is_known)


def _refused(url: str, reason: str, remedy: str) -> AddressRefusedError:
    shown = redact(url)
    return AddressRefusedError(
        field="url",
        value=f"{shown[:200]}{'…' if len(shown) > 200 else ''}",
        code="address_refused",
        reason=reason,
        remedy=remedy,
    )


_OPERATOR = f"The operator of the service can allow its own networks in {SETTING}."
