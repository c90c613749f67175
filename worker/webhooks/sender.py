"""Sends one message to one receiver, who is not trusted with more than that."""

import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version

import httpcore
import httpx

from db.core.errors import AddressRefusedError
from db.webhooks.addresses import Networks, check_address, is_allowed
from db.webhooks.cloudevents import MEDIA_TYPE
from db.webhooks.dispatch import Outcome
from worker.webhooks import answer
from worker.webhooks.deadline import Deadline, DeadlineError
from worker.webhooks.network import GuardedBackend, HostRefusedError, HostUnknownError

WITHIN_S = 10.0
MOST_BYTES = 64 * 1024
LATE = (DeadlineError, httpcore.TimeoutException)
BROKEN = (httpcore.NetworkError, httpcore.ProtocolError)
LOST = (HostRefusedError, HostUnknownError, httpx.InvalidURL)


class Sender:
    """Posts messages. It reads no proxy from the environment, and follows no redirect."""

    def __init__(
        self,
        networks: Networks = (),
        *,
        within_s: float = WITHIN_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Send to public addresses, and to those in ``networks``; there without TLS, too."""
        self._networks, self._within_s = networks, within_s
        self._tls = tls or httpx.create_ssl_context()
        self._agent = f"Z-Pruner/{version('zpruner')}"

    def send(self, url: str, body: str, headers: Mapping[str, str]) -> Outcome:
        """Post a body, and return what came of it, whatever that is."""
        started = time.monotonic()
        status = wait = None
        try:
            check_address(url, self._networks)
            status, answered = self._post(httpx.URL(url), body.encode(), headers)
            error, wait = answer.fault(status), answer.wait(status, answered)
        except LATE:
            error = f"no answer within {self._within_s:g} s"
        except BROKEN as fault:
            error = f"no answer: {fault}"
        except LOST as fault:
            error = str(fault)
        except AddressRefusedError as refused:  # whose text shows the address, keys and all
            error = f"the address {refused.reason}. {refused.remedy}"
        return Outcome(time.monotonic() - started, status, error, wait)

    def _post(
        self, url: httpx.URL, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str]]:
        """Return the answer's status and headers."""
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        allows = partial(is_allowed, networks=self._networks, encrypted=url.scheme == "https")
        backend = GuardedBackend(allows, Deadline(self._within_s))
        told = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": self._agent,
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        with (
            httpcore.HTTPConnection(
                target.origin, ssl_context=self._tls, network_backend=backend
            ) as connection,
            connection.stream("POST", target, headers=list(told.items()), content=body) as response,
        ):
            _hear_out(response)
            return response.status, _lower(response.headers)


def _hear_out(response: httpcore.Response) -> None:
    """Let a receiver finish, up to a point: some fail when nobody listens.

    What it thinks of the message it has said before, with its status.
    """
    heard = 0
    with suppress(*LATE, *BROKEN):
        for piece in response.iter_stream():
            heard += len(piece)
            if heard >= MOST_BYTES:
                return


def _lower(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
