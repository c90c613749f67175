"""Outgoing connections to allowed addresses only, so that a webhook cannot reach other hosts.

A host's name is resolved once. All its addresses are checked before one of them is used.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

import httpcore

from db.webhooks.addresses import SETTING, Address
from worker.webhooks.deadline import Deadline

RECORD_BYTES = 16384  # the size of a TLS record


class HostRefusedError(Exception):
    """The receiver's address is not allowed."""

    def __init__(self, host: str, address: Address) -> None:
        super().__init__(host, address)
        self.host, self.address = host, address

    def __str__(self) -> str:
        return f"{self.host} is {self.address}, which {SETTING} does not allow"


class HostUnknownError(Exception):
    """The receiver's name cannot be resolved."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host, self.reason = host, reason

    def __str__(self) -> str:
        return f"{self.host} cannot be resolved: {self.reason}"


def resolve(host: str, port: int) -> list[Address]:
    """Return all addresses of a host, in the order in which they should be tried.

    Raises:
        HostUnknownError: the host has no address.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknownError(host, getattr(error, "strerror", None) or str(error)) from None
    return list(dict.fromkeys(ip_address(str(address[0])) for *_, address in addresses))


class RestrictedBackend(httpcore.NetworkBackend):
    """Connects to allowed addresses only, and ends every operation at one deadline.

    Only the TCP connection uses the resolved address: httpcore uses the host's name to
    verify the certificate, for SNI, and for the ``Host`` header.
    """

    def __init__(self, is_allowed: Callable[[Address], bool], deadline: Deadline) -> None:
        self._is_allowed, self._deadline = is_allowed, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that accepts the connection.

        Raises:
            HostUnknownError: the host has no address.
            HostRefusedError: one of its addresses is not allowed.
            DeadlineError: the deadline has passed.
        """
        addresses = self._deadline.run(partial(resolve, host, port))
        for address in addresses:
            if not self._is_allowed(address):
                raise HostRefusedError(host, address)
        return RestrictedStream(self._connect(addresses, port), self._deadline)

    def _connect(self, addresses: Sequence[Address], port: int) -> httpcore.NetworkStream:
        """Try the addresses in order; each gets its share of the remaining time."""
        *first, last = addresses
        for index, address in enumerate(first):
            untried = len(addresses) - index
            try:
                return self._connect_to(address, port, self._deadline.left_s() / untried)
            except (httpcore.NetworkError, httpcore.TimeoutException):
                continue
        return self._connect_to(last, port, self._deadline.left_s())

    def _connect_to(self, address: Address, port: int, timeout_s: float) -> httpcore.NetworkStream:
        return httpcore.SyncBackend().connect_tcp(str(address), port, timeout_s)


class RestrictedStream(httpcore.NetworkStream):
    """A connection whose operations all end at one deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything in pieces; each piece may take the time left until the deadline."""
        for start in range(0, len(buffer), RECORD_BYTES):
            piece = buffer[start : start + RECORD_BYTES]
            self._stream.write(piece, self._deadline.left_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left_s()
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return RestrictedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
