"""Signatures of the id, the time and the body of a call, as Standard Webhooks describes them."""

import hmac
import re
import time
from base64 import b64encode

from api.triggers.sources.source import Call

TOLERANCE_S = 300.0


def is_signed(key: bytes, headers: tuple[str, str, str], call: Call) -> bool:
    """Whether a signature is valid for the id, timestamp and body, and the timestamp is recent.

    Args:
        key: the key of the HMAC.
        headers: the headers with the id, the timestamp and the signatures.
        call: the signed call.
    """
    message_id, timestamp, signatures = (call.header(header) for header in headers)
    signed = b"%b.%b.%b" % (message_id, timestamp, call.body)
    expected = b"v1," + b64encode(hmac.digest(key, signed, "sha256"))
    matches = [hmac.compare_digest(expected, signature) for signature in signatures.split()]
    is_recent = (
        re.fullmatch(rb"[0-9]{1,12}", timestamp)
        and abs(time.time() - int(timestamp)) <= TOLERANCE_S
    )
    return bool(message_id and is_recent and any(matches))
