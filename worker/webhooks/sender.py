"""The HTTP request that delivers one message to an untrusted receiver."""

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
from db.webhooks.dispatch import SendResult
from worker.webhooks.deadline import Deadline, DeadlineError
from worker.webhooks.network import HostRefusedError, HostUnknownError, RestrictedBackend
from worker.webhooks.response import error_of, retry_after

TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 64 * 1024
TIMEOUTS = (DeadlineError, httpcore.TimeoutException)
CONNECTION_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError)
ADDRESS_ERRORS = (HostRefusedError, HostUnknownError, httpx.InvalidURL)


class Sender:
    """Posts messages. It does not use proxies from the environment, and follows no redirects."""

    def __init__(
        self,
        networks: Networks = (),
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Allow public addresses with TLS, and addresses in ``networks`` with or without TLS."""
        self._networks, self._timeout_s = networks, timeout_s
        self._tls = tls or httpx.create_ssl_context()
        self._agent = f"Z-Pruner/{version('zpruner')}"

    def send(self, url: str, body: str, headers: Mapping[str, str]) -> SendResult:
        """Post a body and return the outcome; a failure raises no exception."""
        started = time.monotonic()
        status = delay = None
        try:
            check_address(url, self._networks)
            status, received = self._post(httpx.URL(url), body.encode(), headers)
            error, delay = error_of(status), retry_after(status, received)
        except TIMEOUTS:
            error = f"no response within {self._timeout_s:g} s"
        except CONNECTION_ERRORS as failure:
            error = f"no response: {failure}"
        except ADDRESS_ERRORS as failure:
            error = str(failure)
        except AddressRefusedError as refused:  # its text contains the address and any secrets
            error = f"the address {refused.reason}. {refused.remedy}"
        return SendResult(time.monotonic() - started, status, error, delay)

    def _post(
        self, url: httpx.URL, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str]]:
        """Post a body; return the response's status and headers, with names in lower case."""
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        allows = partial(is_allowed, networks=self._networks, encrypted=url.scheme == "https")
        backend = RestrictedBackend(allows, Deadline(self._timeout_s))
        request_headers = {
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
            connection.stream(
                "POST", target, headers=list(request_headers.items()), content=body
            ) as response,
        ):
            _read_body(response)
            return response.status, _lower(response.headers)


def _read_body(response: httpcore.Response) -> None:
    """Read the body up to a limit, because some receivers fail if a response is not read.

    Errors are ignored: the status has been received already.
    """
    size = 0
    with suppress(*TIMEOUTS, *CONNECTION_ERRORS):
        for piece in response.iter_stream():
            size += len(piece)
            if size >= MAX_RESPONSE_BYTES:
                return


def _lower(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
