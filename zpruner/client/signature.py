"""What a receiver needs: whether a message is the service's own, as Standard Webhooks has it."""

import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

TOLERANCE_S = 300.0


class SignatureError(ValueError):
    """The message is not to be trusted; the text says why."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    tolerance_s: float = TOLERANCE_S,
) -> dict[str, Any]:
    """Return the event that a message carries, if it is signed with the secret.

    A message can come twice: keep its ``id`` for some days and pass over what is known.

    Args:
        secret: the webhook's, ``whsec_…``.
        headers: of the request; their case does not matter.
        body: of the request, byte for byte as it came.
        tolerance_s: how far its time may be from now, so that no old one is sent again.

    Raises:
        SignatureError: it is not signed so, or not now.
    """
    found = {name.lower(): value for name, value in headers.items()}
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if missing := [name for name in names if name not in found]:
        raise SignatureError(f"the header {missing[0]} is missing")
    message_id, moment, signatures = (found[name] for name in names)
    if not moment.isascii() or not moment.isdigit():
        raise SignatureError("webhook-timestamp is no number")
    if abs(time.time() - int(moment)) > tolerance_s:
        raise SignatureError("the message was signed too long ago, or the clocks differ")
    content = body.encode() if isinstance(body, str) else body
    wanted = _signature(secret, f"{message_id}.{moment}.".encode() + content)
    # A list: every comparison is made, whatever the first one says.
    fits = [hmac.compare_digest(wanted, one.encode()) for one in signatures.split()]
    if not any(fits):
        raise SignatureError("no signature fits: another secret, or the body was changed")
    event: dict[str, Any] = json.loads(content)
    return event


def _signature(secret: str, signed: bytes) -> bytes:
    key = b64decode(secret.removeprefix("whsec_"))
    return b"v1," + b64encode(hmac.digest(key, signed, "sha256"))
