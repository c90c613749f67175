"""The way out: a name is resolved once, all its addresses are checked, one of them is used."""

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

import httpcore

from db.webhooks.addresses import SETTING, Address
from worker.webhooks.deadline import Deadline

RECORD_BYTES = 16384  # what TLS sends in one piece


class HostRefusedError(Exception):
    """The receiver is where no message may go."""

    def __init__(self, host: str, address: Address) -> None:
        super().__init__(host, address)
        self.host, self.address = host, address

    def __str__(self) -> str:
        return f"{self.host} is {self.address}, where {SETTING} does not allow it"


class HostUnknownError(Exception):
    """The receiver's name leads nowhere."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host, self.reason = host, reason

    def __str__(self) -> str:
        return f"{self.host} cannot be resolved: {self.reason}"


def resolve(host: str, port: int) -> list[Address]:
    """Return all addresses of a host, in the order in which they should be tried.

    Raises:
        HostUnknownError: there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknownError(host, getattr(error, "strerror", None) or str(error)) from None
    return list(dict.fromkeys(ip_address(str(address[0])) for *_, address in found))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that are allowed, and gives nothing more time than there is.

    What calls it keeps the name: for the certificate, for SNI, and for the header ``Host``.
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
        """Connect to the first address that answers.

        Raises:
            HostUnknownError: there is no such host.
            HostRefusedError: one of its addresses is not allowed.
            DeadlineError: the time is up.
        """
        addresses = self._deadline.wait_for(partial(resolve, host, port))
        for address in addresses:
            if not self._is_allowed(address):
                raise HostRefusedError(host, address)
        return GuardedStream(self._connect(addresses, port), self._deadline)

    def _connect(self, addresses: Sequence[Address], port: int) -> httpcore.NetworkStream:
        """Try one after the other; none may use up the time of those behind it."""
        *others, last = addresses
        for behind, address in zip(range(len(others), 0, -1), others, strict=True):
            try:
                return self._reach(address, port, self._deadline.left_s() / (behind + 1))
            except (httpcore.NetworkError, httpcore.TimeoutException):
                continue
        return self._reach(last, port, self._deadline.left_s())

    def _reach(self, address: Address, port: int, timeout_s: float) -> httpcore.NetworkStream:
        return httpcore.SyncBackend().connect_tcp(str(address), port, timeout_s)


class GuardedStream(httpcore.NetworkStream):
    """A connection all of whose steps end at one deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come."""
        return self._stream.read(max_bytes, self._deadline.left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything, in pieces that each get what time is left."""
        for start in range(0, len(buffer), RECORD_BYTES):
            piece = buffer[start : start + RECORD_BYTES]
            self._stream.write(piece, self._deadline.left_s())

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the same connection, encrypted, with whoever can prove the name."""
        left = self._deadline.left_s()
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return GuardedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._stream.get_extra_info(info)
