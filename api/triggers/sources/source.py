"""Authenticating calls to a trigger by the trigger's secret."""

import hmac
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from db.tables.triggers import TriggerSource
from db.triggers import CallId

TOLERANCE_S = 300.0
STANDARD = "webhook-id", "webhook-timestamp", "webhook-signature"
MLFLOW = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
IDS = {
    TriggerSource.github: "x-github-delivery",
    TriggerSource.standard: STANDARD[0],
    TriggerSource.mlflow: MLFLOW[0],
}
"""For each source that sends a delivery id, the header that contains it."""


@dataclass(frozen=True)
class Call:
    """An incoming request to a trigger's hook."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> bytes:
        """Return a header's bytes; empty if it was not sent."""
        return self.headers.get(name, "").encode("latin-1")


def is_authentic(source: TriggerSource, secrets: Sequence[str], call: Call) -> bool:
    """Whether a call is signed with, or contains, one of the secrets."""
    # A list, so that the time does not depend on which secret matches.
    matches = [_matches(source, secret, call) for secret in secrets]
    return any(matches)


def call_name(source: TriggerSource, call: Call) -> CallId:
    """Return the identity of a call, by which repeated calls are recognized.

    GitHub signs only the body, so an attacker could repeat a call with another delivery id. The
    identity of a call from GitHub therefore includes a digest of its body, and a call with a known
    digest counts as repeated.
    """
    signs_only_body = source is TriggerSource.github
    digest = sha256(call.body).hexdigest() if signs_only_body else None
    return CallId(_delivery_id(source, call), digest)


def _delivery_id(source: TriggerSource, call: Call) -> str:
    """Return the id that the source sent, or a digest of the body if it sent none.

    If the id is malformed, return a digest of the id.
    """
    sent = call.headers.get(IDS.get(source, "")) or call.headers.get("idempotency-key")
    if sent is None:
        return f"sha256:{sha256(call.body).hexdigest()}"
    if re.fullmatch(r"[\x21-\x7e]{1,200}", sent):
        return sent
    return f"sha256:{sha256(sent.encode()).hexdigest()}"


def _matches(source: TriggerSource, secret: str, call: Call) -> bool:
    match source:
        case TriggerSource.github:
            expected = b"sha256=" + hmac.digest(secret.encode(), call.body, "sha256").hex().encode()
            return hmac.compare_digest(expected, call.header("x-hub-signature-256"))
        case TriggerSource.huggingface:
            return hmac.compare_digest(secret.encode(), call.header("x-webhook-secret"))
        case TriggerSource.generic:
            scheme, _, token = call.header("authorization").partition(b" ")
            is_same = hmac.compare_digest(secret.encode(), token.strip())
            return is_same and scheme.lower() == b"bearer"
        case TriggerSource.standard:
            return _is_signed(b64decode(secret.removeprefix("whsec_")), STANDARD, call)
        case TriggerSource.mlflow:
            return _is_signed(secret.encode(), MLFLOW, call)


def _is_signed(key: bytes, headers: tuple[str, str, str], call: Call) -> bool:
    """Whether a signature is valid for the id, timestamp and body, and the timestamp is recent."""
    message_id, timestamp, signatures = (call.header(header) for header in headers)
    signed = b"%b.%b.%b" % (message_id, timestamp, call.body)
    expected = b"v1," + b64encode(hmac.digest(key, signed, "sha256"))
    matches = [hmac.compare_digest(expected, signature) for signature in signatures.split()]
    is_recent = (
        re.fullmatch(rb"[0-9]{1,12}", timestamp)
        and abs(time.time() - int(timestamp)) <= TOLERANCE_S
    )
    return bool(message_id and is_recent and any(matches))
