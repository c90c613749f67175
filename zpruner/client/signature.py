"""Verification of webhook messages by the rules of Standard Webhooks."""

import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

TOLERANCE_S = 300.0


class SignatureError(ValueError):
    """The signature of a message is missing, wrong or expired."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    tolerance_s: float = TOLERANCE_S,
) -> dict[str, Any]:
    """Verify the signature of a message and return the event that it carries.

    A message may arrive twice: store its ``id`` for some days and ignore known ids.

    Args:
        secret: the webhook's secret, ``whsec_…``.
        headers: the headers of the request; their names are case-insensitive.
        body: the body of the request, unchanged.
        tolerance_s: the largest accepted difference between the message's timestamp and now, in
            seconds. Messages with a larger difference are rejected, as they may be replayed.

    Raises:
        SignatureError: the signature is missing, wrong or expired.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    if missing := [name for name in names if name not in fields]:
        raise SignatureError(f"the header {missing[0]} is missing")
    message_id, timestamp, signatures = (fields[name] for name in names)
    signed_at = _moment(timestamp)
    if abs(time.time() - signed_at.timestamp()) > tolerance_s:
        raise SignatureError("the message was signed too long ago, or the clocks differ")
    try:
        content = body.decode() if isinstance(body, bytes) else body
    except UnicodeDecodeError:
        raise SignatureError("the body is not UTF-8, so the service has not sent it") from None
    # The library's own `verify` has a fixed tolerance, and its errors do not say what is wrong.
    try:
        expected = Webhook(secret).sign(message_id, signed_at, content).encode()
        # A list: every signature is compared, so that the time taken does not depend on the first.
        matches = [hmac.compare_digest(expected, one.encode()) for one in signatures.split()]
    except UnicodeEncodeError:
        raise SignatureError("the message is not UTF-8, so the service has not sent it") from None
    if not any(matches):
        raise SignatureError("no signature matches: the secret differs, or the body was changed")
    event: dict[str, Any] = json.loads(content)
    return event


def _moment(timestamp: str) -> datetime:
    """Read a number of seconds since 1970.

    Raises:
        SignatureError: it is no number, or a moment that no clock has.
    """
    if not timestamp.isascii() or not timestamp.isdigit():
        raise SignatureError("webhook-timestamp is not a number")
    try:
        return datetime.fromtimestamp(int(timestamp), UTC)
    except (ValueError, OverflowError, OSError):
        raise SignatureError("webhook-timestamp is too large") from None
