"""How a call of a trigger proves that it comes from where the secret was given to."""

import hmac
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from db.tables.triggers import TriggerSource
from db.triggers import CallName

TOLERANCE_S = 300.0
STANDARD = "webhook-id", "webhook-timestamp", "webhook-signature"
MLFLOW = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
IDS = {
    TriggerSource.github: "x-github-delivery",
    TriggerSource.standard: STANDARD[0],
    TriggerSource.mlflow: MLFLOW[0],
}
"""The header in which a source names a delivery, where it does."""


@dataclass(frozen=True)
class Call:
    """What came to a hook."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> bytes:
        """Return a header as it was sent; nothing where it was not."""
        return self.headers.get(name, "").encode("latin-1")


def is_proven(source: TriggerSource, secrets: Sequence[str], call: Call) -> bool:
    """Whether a call is signed with, or carries, one of the secrets."""
    # A list: every comparison is made, whatever the first one says.
    fits = [_is_proven(source, secret, call) for secret in secrets]
    return any(fits)


def name_of(source: TriggerSource, call: Call) -> CallName:
    """Return what tells one delivery from another.

    GitHub's signature covers the body alone: whoever has seen one delivery can send it again under
    another id.
    """
    is_body_alone_signed = source is TriggerSource.github
    digest = sha256(call.body).hexdigest() if is_body_alone_signed else None
    return CallName(_delivery_id(source, call), digest)


def _delivery_id(source: TriggerSource, call: Call) -> str:
    """Return a delivery's own id, or else one made of what it says."""
    own = call.headers.get(IDS.get(source, "")) or call.headers.get("idempotency-key")
    if own is None:
        return f"sha256:{sha256(call.body).hexdigest()}"
    if re.fullmatch(r"[\x21-\x7e]{1,200}", own):
        return own
    return f"sha256:{sha256(own.encode()).hexdigest()}"


def _is_proven(source: TriggerSource, secret: str, call: Call) -> bool:
    match source:
        case TriggerSource.github:
            wanted = b"sha256=" + hmac.digest(secret.encode(), call.body, "sha256").hex().encode()
            return hmac.compare_digest(wanted, call.header("x-hub-signature-256"))
        case TriggerSource.huggingface:
            return hmac.compare_digest(secret.encode(), call.header("x-webhook-secret"))
        case TriggerSource.generic:
            scheme, _, sent = call.header("authorization").partition(b" ")
            fits = hmac.compare_digest(secret.encode(), sent.strip())
            return fits and scheme.lower() == b"bearer"
        case TriggerSource.standard:
            return _is_stamped(b64decode(secret.removeprefix("whsec_")), STANDARD, call)
        case TriggerSource.mlflow:
            return _is_stamped(secret.encode(), MLFLOW, call)


def _is_stamped(key: bytes, headers: tuple[str, str, str], call: Call) -> bool:
    """Whether id, moment and body are signed together, and the moment is about now."""
    name, moment, signatures = (call.header(one) for one in headers)
    signed = b"%b.%b.%b" % (name, moment, call.body)
    wanted = b"v1," + b64encode(hmac.digest(key, signed, "sha256"))
    fits = [hmac.compare_digest(wanted, one) for one in signatures.split()]
    is_now = re.fullmatch(rb"[0-9]{1,12}", moment) and abs(time.time() - int(moment)) <= TOLERANCE_S
    return bool(name and is_now and any(fits))
